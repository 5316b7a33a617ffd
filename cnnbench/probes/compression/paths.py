"""Where the parts of the probe find what earlier parts made: folders of the run's artifacts.

They are named by everything that decides their content, so that no part can open another's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cnnbench.errors import CnnbenchError, Unavailable
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.compression.variants import Variant
from cnnbench.probes.interface import Context

MODEL, CARD = "model.tflite", "card.json"
_REASON = "reason.txt"
_OF_THE_NETWORK = {"training", "weights", "weights_sha256", "classes"}
_NOT_OF_THE_FILE = {"part", "threads"}


def network(subject: ModelHandle, setting: CompressionSetting, context: Context) -> Path:
    """The folder of the trained float32 network."""
    fields = setting.model_dump(mode="json", include=_OF_THE_NETWORK)
    return context.artifacts.parent / f"network-{_hash(subject.label, fields)}"


def converted(subject: ModelHandle, setting: CompressionSetting, context: Context) -> Path:
    """The folder of one variant's file."""
    fields = setting.model_dump(mode="json", exclude=_NOT_OF_THE_FILE)
    return context.artifacts.parent / f"converted-{_hash(subject.label, fields)}"


def tuned(
    subject: ModelHandle, setting: CompressionSetting, context: Context, stage: Variant
) -> Path:
    """The folder of a float network that a variant passes through: that of its own variant."""
    own = setting.model_copy(update={"variant": str(stage), "representative": 0})
    return converted(subject, own, context)


def required(folder: Path, file: str, what: str) -> Path:
    """``folder / file``.

    Raises:
        Unavailable: it is not there, with the reason that the part which makes it left.
    """
    if (folder / file).is_file():
        return folder / file
    reason = folder / _REASON
    unknown = "its job has not succeeded, or its file is gone (--fresh makes all of it again)"
    words = reason.read_text(encoding="utf-8") if reason.is_file() else unknown
    raise Unavailable(f"{what}: {words}")


@contextmanager
def reasoned(folder: Path) -> Iterator[None]:
    """Leave the reason of a failure in ``folder`` for the parts that would need its content."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _REASON).unlink(missing_ok=True)
    try:
        yield
    except CnnbenchError as error:
        (folder / _REASON).write_text(" ".join(str(error).split()), encoding="utf-8")
        raise


def _hash(label: str, fields: object) -> str:
    text = json.dumps([label, fields], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
