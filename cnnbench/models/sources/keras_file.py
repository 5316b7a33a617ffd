"""Models in ``.keras`` files: described without Keras, loaded in safe mode only."""

from __future__ import annotations

import copy
import importlib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from cnnbench import files
from cnnbench.errors import Unavailable, UserError, brief
from cnnbench.models import keras_archive, locate, output_names, preprocessing, weights
from cnnbench.models.arguments import OUTPUT
from cnnbench.models.catalog import Entry
from cnnbench.models.file_facts import CLASSIFICATION, FileFacts
from cnnbench.models.model import Model, Request
from cnnbench.models.model_name import ModelName
from cnnbench.models.signature import Signature

_SCALES_ITSELF = frozenset({"Rescaling", "Normalization"})
_SIZE_OF_OUTPUT = ("units", "filters")
_KEEP_WIDTH = ("Activation", "Softmax", "Dropout", "GlobalAveragePooling2D", "GlobalMaxPooling2D")


class _KerasFiles:
    """Names that end in ``.keras``."""

    def matches(self, name: str, search_path: Sequence[Path]) -> bool:
        return name.endswith(".keras")

    def resolve(self, written: ModelName, search_path: Sequence[Path]) -> Model:
        file = _KerasFile(locate.file(written.name, search_path))
        output, facts = dict(written.parameters).get(OUTPUT), file.facts
        classes = file.classes(output)
        entry = Entry.of_user(file.file.name, str(file.file), file.input_shape, classes, facts.task)
        entry = replace(entry, class_names=facts.classes, fit=facts.fit, training=facts.training)
        return Model.from_name(written, entry, Signature(), file)


@dataclass(frozen=True)
class _KerasFile:
    """Load a network from a ``.keras`` file; the architecture in it is fixed."""

    file: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration of the network, without its compile configuration.

        Raises:
            UserError: not a ``.keras`` file, or one that only loads with code execution.
        """
        return keras_archive.config(self.file)

    @cached_property
    def facts(self) -> FileFacts:
        """The facts that the file states beside the network; the defaults if it states none.

        Raises:
            UserError: they cannot be read.
        """
        try:
            with zipfile.ZipFile(self.file) as archive:
                return FileFacts.read(archive) or FileFacts()
        except (*keras_archive.DAMAGED, TypeError) as error:
            raise keras_archive.unreadable(self.file, error) from None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of its only input, without the batch axis; () if unknown before loading."""
        shapes = [
            layer.get("batch_shape", layer.get("batch_input_shape"))
            for kind, layer in _layers(self.config)
            if kind == "InputLayer"
        ]
        known = [
            tuple(shape[1:])
            for shape in shapes
            if isinstance(shape, list) and all(_is_size(size) for size in shape[1:])
        ]
        return known[0] if len(shapes) == len(known) == 1 else ()

    def classes(self, output: Any = None) -> int:
        """Return the number of classes; 0 if unknown before loading.

        A network for another task than classification has as many as the file names. Of a
        classifier with one output it is the width of the last layer that changes the width.
        """
        if self.facts.task != CLASSIFICATION and output is None:
            return len(self.facts.classes)
        if (path := _output_layer(self.config, output)) is not None:
            configs = (layer for _, layer in _layers(self.config) if layer.get("name") == path)
            return _width(next(configs, {}))
        layers = [(kind, layer) for kind, layer in _layers(self.config) if kind not in _KEEP_WIDTH]
        _, last = layers[-1] if layers else ("", {})
        return _width(last)

    is_trained: ClassVar[bool] = True

    def takes(self, argument: str) -> bool:
        return False

    def architecture(self, request: Request) -> Any:
        if request.changed:
            raise UserError(
                f"{request.label} cannot be built with another {min(request.changed)}",
                str(self.file),
                "the architecture in a .keras file is fixed; use a builder",
            )
        import tensorflow as tf

        # Registers the custom layers that the file may name.
        importlib.import_module("cnnbench.models.families.own_layers")
        importlib.import_module("cnnbench.models.families.upsampling")
        try:
            # Keras changes the configuration that it is given.
            config = copy.deepcopy(self.config)
            return tf.keras.utils.deserialize_keras_object(config, safe_mode=True)
        except Exception as error:
            raise self._refused(error) from error

    def pretrained(self, request: Request) -> Any:
        raise Unavailable(f"{request.label} comes with its own weights, not with ImageNet's")

    def restore(self, model: Any) -> None:
        try:
            weights.load(model, self.file, self.file.name)
        except UserError as error:
            raise keras_archive.another_keras(self.file) or error from error

    def preprocess(self, images: Any, parameters: Mapping[str, Any]) -> Any:
        """Apply the preprocessing in the file, or scale to 0..1 unless the network rescales."""
        if self.facts.pixels is not None:
            return self.facts.pixels(images)
        kinds = (part.get("class_name") for part in keras_archive.dictionaries(self.config))
        scales_itself = any(isinstance(kind, str) and kind in _SCALES_ITSELF for kind in kinds)
        return images if scales_itself else preprocessing.unit(images)

    def fingerprint(self) -> Mapping[str, str]:
        return {"source_sha256": files.sha256(self.file)}

    def _refused(self, error: Exception) -> UserError:
        if (other := keras_archive.another_keras(self.file)) is not None:
            return other
        own = sorted(
            {name for part in keras_archive.dictionaries(self.config) if (name := _own_class(part))}
        )
        if own:
            return UserError(
                f"Keras cannot load it in safe mode without {' and '.join(own)}",
                str(self.file),
                "layers of your own must be registered (keras.saving) and importable",
            )
        # Keras quotes the whole configuration before the reason.
        reason = brief(error).rpartition("Exception encountered: ")[2]
        return UserError(f"Keras cannot load it in safe mode: {reason}", str(self.file))


def _own_class(part: Mapping[str, Any]) -> str:
    """Return the custom class in ``part`` that is registered by name; empty if there is none."""
    if not part.get("registered_name"):
        return ""
    name, module = part.get("class_name"), part.get("module")
    if not isinstance(module, str):
        return str(name)
    return "" if module.partition(".")[0] in ("keras", "builtins") else f"{name} of {module}"


def _layers(config: Mapping[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield class and configuration of every layer."""
    inner = config.get("config")
    layers = inner.get("layers") if isinstance(inner, dict) else None
    for layer in layers if isinstance(layers, list) else []:
        if isinstance(layer, dict) and isinstance(layer.get("config"), dict):
            yield layer.get("class_name"), layer["config"]


def _output_layer(config: Mapping[str, Any], output: Any) -> str | None:
    """Return the layer of the output that classifies; None if there is only one output.

    A file lists each output as ``["layer", node, tensor]``, in the structure that the network
    returns.
    """
    inner = config.get("config")
    found = inner.get("output_layers") if isinstance(inner, dict) else None
    layers = output_names.named(_with_names(found))
    if len(layers) <= 1:
        return None
    wanted = next(iter(layers)) if output is None else str(output)
    return str(layers.get(wanted, ""))


def _with_names(structure: Any) -> Any:
    """Replace each ``["layer", node, tensor]`` in the outputs of a file by the layer's name."""
    if isinstance(structure, dict):
        return {key: _with_names(value) for key, value in structure.items()}
    if not isinstance(structure, list):
        return str(structure)
    if len(structure) == 3 and isinstance(structure[0], str) and isinstance(structure[1], int):
        return structure[0]
    return [_with_names(value) for value in structure]


def _width(layer: Mapping[str, Any]) -> int:
    return next((layer[key] for key in _SIZE_OF_OUTPUT if _is_size(layer.get(key))), 0)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


SOURCE = _KerasFiles()
