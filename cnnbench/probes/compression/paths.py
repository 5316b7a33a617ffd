"""Folders of the run's artifacts in which the parts of the probe find the results of earlier parts.

Their keys (`artifacts`) contain a hash of everything that decides their content; their names are
those of the variants.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cnnbench.errors import CnnbenchError, Unavailable, brief
from cnnbench.models.handle import ModelHandle
from cnnbench.probes import artifacts
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.compression.variants import Variant
from cnnbench.probes.interface import Context

MODEL, CARD = "model.tflite", "card.json"
FINISHED = "finished.json"  # beside the file that is exported
FLOAT32_CARD = "network.json"
_REASON = "reason.txt"
_LONGEST_REASON = 500  # characters
_OF_FLOAT32 = {"training", "weights", "weights_sha256", "classes"}
_NOT_OF_THE_FILE = {"part", "threads", "int8_io"}


def float32_folder(
    handle: ModelHandle, setting: CompressionSetting, context: Context, label: str = ""
) -> Path:
    """Return the folder of the trained float32 model; ``label`` replaces the handle's."""
    name = "trained" if is_trained(handle, setting) else "random-weights"
    return _claim(float32_key(label or handle.label, setting), name, setting, context)


def variant_folder(handle: ModelHandle, setting: CompressionSetting, context: Context) -> Path:
    """Return the folder of the converted file of a variant."""
    name = f"{setting.variant} nms" if setting.nms else setting.variant
    return _claim(variant_key(handle.label, setting), name, setting, context)


def stage_folder(
    handle: ModelHandle, setting: CompressionSetting, context: Context, stage: Variant
) -> Path:
    """Return the folder of a float model on the way to a variant, shared by all such variants."""
    return variant_folder(handle, _of_stage(setting, stage), context)


def float32_key(label: str, setting: CompressionSetting) -> str:
    """Return the key of the folder of the float32 model ``label``."""
    fields = setting.model_dump(mode="json", include=_OF_FLOAT32)
    return f"network-{_hash(label, fields)}"


def variant_key(label: str, setting: CompressionSetting) -> str:
    """Return the key of the folder of a variant of the model ``label``."""
    fields = setting.model_dump(mode="json", exclude=_NOT_OF_THE_FILE)
    return f"converted-{_hash(label, fields)}"


def stage_key(label: str, setting: CompressionSetting, stage: Variant) -> str:
    """Return the key of the folder of a float model on the way to a variant."""
    return variant_key(label, _of_stage(setting, stage))


def is_trained(handle: ModelHandle, setting: CompressionSetting) -> bool:
    """Return whether the weights of the float32 model are other than seeded random numbers."""
    return bool(setting.training or setting.weights or handle.is_trained)


def model_file(handle: ModelHandle, setting: CompressionSetting, folder: Path) -> Path:
    """Return the path at which a variant is written; one with random weights says so."""
    file = folder / MODEL
    return file if is_trained(handle, setting) else artifacts.of_random_weights(file)


def _of_stage(setting: CompressionSetting, stage: Variant) -> CompressionSetting:
    return setting.model_copy(update={"variant": str(stage), "representative": 0})


def _claim(key: str, name: str, setting: CompressionSetting, context: Context) -> Path:
    longer = f"{name} {setting.training.label()}" if setting.training else name
    return artifacts.claim(context.artifacts.parent, key, [name, longer])


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
    if (found := artifacts.existing(folder / file)).is_file():
        return found
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
