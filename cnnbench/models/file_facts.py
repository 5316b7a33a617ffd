"""Facts about a trained network that its file states beside it: ``cnnbench.json``.

A ``.keras`` file is a zip archive, and Keras ignores members that it does not know; a LiteRT file
may have an archive behind its flatbuffer. This member is a JSON object::

    {"task": "localization", "classes": ["T-shirt/top", ...], "fit": "stretch",
     "pixels": {"matrix": [[...]], "offset": [...]},
     "outputs": ["boxes", "classes"], "encoding": "softmax", "training": {"dataset": ...}}

Only ``task`` is always there. Files that were written before tasks hold a pixel map alone,
``{"matrix": [[...]], "offset": [...]}``: they are classifiers.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast, get_args

from cnnbench import safe_json
from cnnbench.data.pictures import Fit
from cnnbench.models.preprocessing import PixelMap

MEMBER = "cnnbench.json"
CLASSIFICATION = "classification"
_LARGEST = 4 * 2**20  # bytes; the thousand names of ImageNet take 20 kB


@dataclass(frozen=True)
class FileFacts:
    """Facts that a training knows about the network that it saves.

    Attributes:
        task: the task that the network was trained for.
        classes: names of its classes, in the order of its outputs; () if unknown.
        pixels: the preprocessing of its images; None if it is not a map of pixels, or unknown.
        fit: how pictures of another shape were brought to its input; None for the task's default.
        outputs: paths of its outputs (`models.output_names`), in the order of a LiteRT file; () for
            a single output, or if Keras knows them.
        encoding: encoding of the outputs of a LiteRT file, as an `Objective` names it; empty if
            unknown, or if Keras knows it.
        training: the data set and the settings of the training, as JSON values; empty if unknown.
    """

    task: str = CLASSIFICATION
    classes: tuple[str, ...] = ()
    pixels: PixelMap | None = None
    fit: Fit | None = None
    outputs: tuple[str, ...] = ()
    encoding: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        """Add the facts to the ``.keras`` file ``file``."""
        with zipfile.ZipFile(file, "a") as archive:
            self.add_to(archive)

    def add_to(self, archive: zipfile.ZipFile) -> None:
        """Add the facts to an archive that is opened for appending."""
        found: dict[str, Any] = {"task": self.task, "classes": list(self.classes)}
        if self.fit is not None:
            found["fit"] = self.fit
        if self.pixels is not None:
            found["pixels"] = self.pixels.to_json()
        if self.outputs:
            found["outputs"] = list(self.outputs)
        if self.encoding:
            found["encoding"] = self.encoding
        if self.training:
            found["training"] = dict(self.training)
        archive.writestr(zipfile.ZipInfo(MEMBER), json.dumps(found))  # no time: the same bytes

    @classmethod
    def read(cls, archive: zipfile.ZipFile) -> Self | None:
        """Read the facts that `write` stored; None if there are none.

        Raises:
            ValueError: the member holds something else.
        """
        if MEMBER not in archive.namelist():
            return None
        if archive.getinfo(MEMBER).file_size > _LARGEST:
            raise ValueError(f"its {MEMBER} is too large")
        found = safe_json.loads(archive.read(MEMBER).decode())
        if not isinstance(found, dict):
            raise ValueError(f"its {MEMBER} is not an object")
        if "task" not in found:
            return cls(pixels=_pixels(found))
        return cls(
            task=_word(found["task"], "task"),
            classes=_names(found.get("classes", []), "classes", "class"),
            pixels=_pixels(found["pixels"]) if "pixels" in found else None,
            fit=_fit(found.get("fit")),
            outputs=_names(found.get("outputs", []), "outputs", "output"),
            encoding=_word(found.get("encoding", ""), "encoding"),
            training=_object(found.get("training", {}), "training"),
        )


def _pixels(value: Any) -> PixelMap:
    if not isinstance(value, Mapping):
        raise ValueError(f"its {MEMBER} has no valid pixel map")
    try:
        return PixelMap.of_json(value)
    except (TypeError, ValueError):
        raise ValueError(f"its {MEMBER} has no valid pixel map") from None


def _names(value: Any, what: str, of_what: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"the {what} in its {MEMBER} are not a list of names")
    article = "an" if of_what[0] in "aeiou" else "a"
    return tuple(_word(name, f"name of {article} {of_what}") for name in value)


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"the {what} in its {MEMBER} is not an object")
    return value


def _fit(value: Any) -> Fit | None:
    if value is not None and value not in get_args(Fit):
        raise ValueError(f"the fit in its {MEMBER} is not one of {', '.join(get_args(Fit))}")
    return cast("Fit | None", value)


def _word(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"a {what} in its {MEMBER} is not a text")
    return value
