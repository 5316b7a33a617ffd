"""Models of the catalogue: ``keras.applications``, and the families of this package."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from cnnbench.errors import UserError
from cnnbench.models import catalog, preprocessing, signature, weights
from cnnbench.models.catalog import Entry
from cnnbench.models.locate import Location
from cnnbench.models.model import Model, Request
from cnnbench.models.model_name import ModelName
from cnnbench.models.signature import Signature
from cnnbench.models.sources.python_builder import Builder

# Their preprocessing subtracts statistics of three channels.
_RGB_ONLY = frozenset({"vgg16", "vgg19", "resnet", "densenet"})


class _Catalogue:
    """Names in `catalog.ENTRIES`; case, ``_`` and ``-`` are ignored."""

    def matches(self, name: str, search_path: Sequence[Path]) -> bool:
        return catalog.canonical(name) is not None

    def resolve(self, written: ModelName, search_path: Sequence[Path]) -> Model:
        entry = catalog.ENTRIES[catalog.canonical(written.name) or written.name]
        file, function, taken = builder(entry)
        if entry.source == "keras.applications":
            application = _Application(file.stem, function)
            return Model.from_name(written, entry, taken, application)
        location = _own_location(entry.builder.partition(":")[0])
        # By convention, a builder's parameter that is added after results were published is
        # keyword-only, so that the keys of those results stay valid.
        taken = replace(taken, later=taken.keyword_only)
        return Model.from_name(
            written, entry, taken, Builder(location, function, taken, hashed=False)
        )


def builder(entry: Entry) -> tuple[Path, str, Signature]:
    """Return where the builder of an architecture is, its name, and its parameters.

    The file of a Keras application is found without importing Keras.
    """
    module, _, function = entry.builder.partition(":")
    if entry.source == "keras.applications":
        folder = _keras_folder() / "src" / "applications"
        file = folder / f"{module.rpartition('.')[2]}.py"
    else:
        file = _own_location(module).file
    return file, function, signature.read(file, function)


@dataclass(frozen=True)
class _Application:
    """Build a network by calling ``keras.applications.<module>.<name>``.

    ``TF_USE_LEGACY_KERAS`` selects Keras 2 or Keras 3 for the whole process.
    """

    module: str
    name: str

    is_trained: ClassVar[bool] = False

    def takes(self, argument: str) -> bool:
        return True

    def architecture(self, request: Request) -> Any:
        return self._call(request, None)

    def pretrained(self, request: Request) -> Any:
        with weights.explain_failed_download(request.label):
            return self._call(request, "imagenet")

    def restore(self, model: Any) -> None:
        """Do nothing: only ImageNet weights are published."""

    def preprocess(self, images: Any, parameters: Mapping[str, Any]) -> Any:
        """Apply the application's own ``preprocess_input``.

        Applications that subtract RGB statistics scale images of other channel counts to -1..1. If
        the network is built without its preprocessing layers, their function is applied here.
        """
        if parameters.get("include_preprocessing") is False:
            return self._inside(images.shape[-1])(images)
        if self.module in _RGB_ONLY and images.shape[-1] != 3:
            return preprocessing.signed(images)
        # Keras' functions write into the NumPy array that they are given.
        copied = images.copy() if hasattr(images, "copy") else images
        return getattr(_applications(), self.module).preprocess_input(copied)

    def _inside(self, channels: int) -> Callable[[Any], Any]:
        """Return what the preprocessing layers inside the network compute."""
        if self.name.startswith("ConvNeXt"):
            return preprocessing.standardised
        if self.name.startswith("EfficientNetV2"):
            is_standardised = self.name.startswith("EfficientNetV2B") and channels == 3
            return preprocessing.standardised if is_standardised else preprocessing.signed_by_128
        return preprocessing.signed

    def fingerprint(self) -> Mapping[str, str]:
        return {}

    def _call(self, request: Request, source: str | None) -> Any:
        try:
            return getattr(_applications(), self.name)(
                include_top=request.include_top,
                weights=source,
                input_shape=request.input_shape,
                classes=request.classes,
                **request.parameters,
            )
        except (ValueError, TypeError) as error:
            raise request.refused(error) from error


def _applications() -> Any:
    import tensorflow as tf

    return tf.keras.applications


@cache
def _keras_folder() -> Path:
    spec = importlib.util.find_spec("keras")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("Keras is not installed", hint="pip install cnnbench")
    return Path(spec.submodule_search_locations[0])


def _own_location(module: str) -> Location:
    package = Path(__file__).parents[2]
    file = package.parent.joinpath(*module.split(".")).with_suffix(".py")
    return Location(package.parent, module, file)


SOURCE = _Catalogue()
