"""Folders of the run's artifacts in which the parts of the probe find the results of earlier parts.

Their names contain a hash of everything that decides their content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cnnbench.errors import CnnbenchError, Unavailable, brief
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.compression.variants import Variant
from cnnbench.probes.interface import Context

MODEL, CARD = "model.tflite", "card.json"
FLOAT32_CARD = "network.json"
_CONVERTED = "converted-"
_REASON = "reason.txt"
_LONGEST_REASON = 500  # characters
_OF_FLOAT32 = {"training", "weights", "weights_sha256", "classes"}
_NOT_OF_THE_FILE = {"part", "threads"}


def float32_folder(handle: ModelHandle, setting: CompressionSetting, context: Context) -> Path:
    """Return the folder of the trained float32 model."""
    fields = setting.model_dump(mode="json", include=_OF_FLOAT32)
    return context.artifacts.parent / f"network-{_hash(handle.label, fields)}"


def variant_folder(handle: ModelHandle, setting: CompressionSetting, context: Context) -> Path:
    """Return the folder of the converted file of a variant."""
    fields = setting.model_dump(mode="json", exclude=_NOT_OF_THE_FILE)
    return context.artifacts.parent / f"{_CONVERTED}{_hash(handle.label, fields)}"


def stage_folder(
    handle: ModelHandle, setting: CompressionSetting, context: Context, stage: Variant
) -> Path:
    """Return the folder of a float model on the way to a variant, shared by all such variants."""
    own = setting.model_copy(update={"variant": str(stage), "representative": 0})
    return variant_folder(handle, own, context)


def converted_file(artifacts: Path) -> Path:
    """Return the only converted file of all cells, whose artifacts are folders in ``artifacts``."""
    (file,) = artifacts.glob(f"{_CONVERTED}*/{MODEL}")
    return file


def required(folder: Path, file: str, what: str) -> Path:
    """Return ``folder / file``.

    Args:
        folder: of an earlier part's result.
        file: name of a file in it.
        what: what is missing if the file is, for the message.

    Raises:
        Unavailable: the file does not exist; the message ends with the reason that
            `recording_failure` stored.
    """
    if (folder / file).is_file():
        return folder / file
    reason = folder / _REASON
    unknown = "its job has not succeeded, or its file was deleted (--fresh runs everything again)"
    why = reason.read_text(encoding="utf-8") if reason.is_file() else unknown
    raise Unavailable(f"{what}: {why}")


@contextmanager
def recording_failure(folder: Path) -> Iterator[None]:
    """Store the reason of a failure in ``folder``, for the parts that need its content."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _REASON).unlink(missing_ok=True)
    try:
        yield
    except CnnbenchError as error:
        (folder / _REASON).write_text(brief(error, _LONGEST_REASON), encoding="utf-8")
        raise


def _hash(label: str, fields: object) -> str:
    text = json.dumps([label, fields], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
