"""Models in LiteRT files (``.tflite``): described without a runtime, run by LiteRT alone."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from cnnbench import files
from cnnbench.errors import Unavailable, UserError
from cnnbench.models import locate, preprocessing
from cnnbench.models.catalog import Entry
from cnnbench.models.file_facts import CLASSIFICATION, FileFacts
from cnnbench.models.litert import flatbuffer, metadata
from cnnbench.models.litert.flatbuffer import Network
from cnnbench.models.model import Model, Request
from cnnbench.models.model_name import ModelName
from cnnbench.models.signature import Signature

_LEVELS = 256  # of a pixel, and of an 8-bit input


class _LiteRTFiles:
    """Names that end in ``.tflite``."""

    def matches(self, name: str, search_path: Sequence[Path]) -> bool:
        return name.lower().endswith(flatbuffer.SUFFIX)

    def resolve(self, written: ModelName, search_path: Sequence[Path]) -> Model:
        file = _LiteRTFile(locate.file(written.name, search_path))
        facts = file.facts
        place = str(file.converted_file)
        entry = Entry.of_user(
            file.converted_file.name, place, file.input_shape, file.classes, facts.task
        )
        entry = replace(entry, class_names=facts.classes, fit=facts.fit, training=facts.training)
        return Model.from_name(written, entry, Signature(), file)


@dataclass(frozen=True)
class _LiteRTFile:
    """Run a LiteRT file as a Keras network; nothing in it can be changed.

    Attributes:
        converted_file: the file.
    """

    converted_file: Path

    is_trained: ClassVar[bool] = True

    @cached_property
    def graph(self) -> Network:
        """The main graph of the file.

        Raises:
            UserError: not a complete LiteRT file, or its input is not one image.
        """
        graph = flatbuffer.graph_of(flatbuffer.read_file(self.converted_file))
        shapes = [tensor.shape for tensor in graph.inputs]
        if len(shapes) != 1 or len(shapes[0]) != 4 or min(shapes[0][1:]) < 1:
            found = " and ".join("x".join(map(str, shape)) for shape in shapes)
            raise UserError(
                f"its input is {found or 'nothing'}, not one image",
                str(self.converted_file),
                "a file with one input of 1xHxWxC is expected",
            )
        return graph

    @cached_property
    def facts(self) -> FileFacts:
        """The facts that the file states beside the network; the defaults if it states none.

        Raises:
            UserError: they cannot be read.
        """
        try:
            return metadata.read_facts(self.converted_file) or FileFacts()
        except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
            where = str(self.converted_file)
            raise UserError(f"its metadata is damaged: {error}", where, "export it again") from None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """``(height, width, channels)``."""
        return self.graph.inputs[0].shape[1:]

    @property
    def classes(self) -> int:
        """The number of classes: of a classifier the width of its output."""
        if self.facts.task != CLASSIFICATION:
            return len(self.facts.classes)
        outputs = self.graph.outputs
        return outputs[0].shape[-1] if len(outputs) == 1 and outputs[0].shape else 0

    def takes(self, argument: str) -> bool:
        return False

    def architecture(self, request: Request) -> Any:
        if request.changed:
            raise UserError(
                f"{request.label} cannot have another {min(request.changed)}",
                str(self.converted_file),
                "everything in a LiteRT file is fixed; name the model that it was made from",
            )
        from cnnbench.models.litert import network

        facts = self.facts
        outputs = facts.outputs if len(facts.outputs) == len(self.graph.outputs) else ()
        return network.build(self.converted_file, self.graph, outputs, facts.encoding)

    def pretrained(self, request: Request) -> Any:
        raise Unavailable(f"{request.label} comes with its own weights, not with ImageNet's")

    def restore(self, model: Any) -> None:
        """Do nothing: the file has its weights."""

    def preprocess(self, images: Any, parameters: Mapping[str, Any]) -> Any:
        """Apply the preprocessing in the file.

        Without it, an 8-bit input takes pixels as they are, and a float input 0..1.
        """
        if self.facts.pixels is not None:
            return self.facts.pixels(images)
        given = self.graph.inputs[0]
        if given.is_float or not given.scale:
            return preprocessing.unit(images)
        lowest = 0 if given.dtype == "UINT8" else -_LEVELS // 2
        return (images + (lowest - given.zero_point)) * given.scale

    def fingerprint(self) -> Mapping[str, str]:
        return {"source_sha256": files.sha256(self.converted_file)}


SOURCE = _LiteRTFiles()
