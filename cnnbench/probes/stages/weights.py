"""Part ``weights``: the trained network, once for all runtimes, and its pictures as JPEG files.

The network is shared with the ``compression`` probe: if both have the same training, only one of
them trains. Weights that the ``accuracy`` probe saved in the same run for the same training are
used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image

from cnnbench.metrics import METRICS
from cnnbench.models.handle import ModelHandle
from cnnbench.probes import artifacts
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.compression import networks, paths, training
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.stages import pictures
from cnnbench.probes.stages.settings import StagesSetting
from cnnbench.tasks.task import TASKS, Objective
from cnnbench.text import plural
from cnnbench.units import show


def run(model: ModelHandle, setting: StagesSetting, context: Context) -> ProbeResult:
    """Make the network if the run does not have it yet; write its pictures.

    Raises:
        Unavailable: the data or the weights are not on this machine.
        JobFailed: the training diverged.
    """
    folder = folder_of(model, setting, context)
    result = ProbeResult()
    if not _is_made(folder):
        with paths.recording_failure(folder):
            result = training.make(
                model, _network(setting, kept(model, setting, context)), context, folder
            )
    card = training.card(folder)
    shape = tuple(card["input_shape"])
    files = pictures_of(model, setting, context)
    files.mkdir(parents=True, exist_ok=True)
    pictures.write(model, setting.training, shape, setting.pictures, context, files)
    task = TASKS.find(task_of(model, setting))
    primary = METRICS[task.primary]
    quality = result.details.get(f"keras_{primary.name}")
    train_s = {"train_s": result.metrics["train_s"]} if "train_s" in result.metrics else {}
    return ProbeResult(
        metrics=train_s,
        details={
            "task": task.name,
            "weights": card["weights"],
            "pictures": _remark(files, setting, card),
            **({} if quality is None else {"quality": show(quality, primary.unit)}),
        },
    )


def folder_of(model: ModelHandle, setting: StagesSetting, context: Context) -> Path:
    """Return the folder of the network."""
    return paths.float32_folder(model, _network(setting), context, _label(model, setting))


def sized(model: ModelHandle, setting: StagesSetting) -> ModelHandle:
    """Return the model with the input and the classes that it is timed with."""
    return model.with_interface(*setting.input_and_classes(model)) if setting.image_size else model


def pictures_of(model: ModelHandle, setting: StagesSetting, context: Context) -> Path:
    """Return the folder of the pictures."""
    network = paths.float32_key(_label(model, setting), _network(setting))
    text = json.dumps([network, setting.pictures])
    key = f"pictures-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    names = ["pictures", f"pictures {setting.pictures}"]
    return artifacts.claim(context.artifacts.parent, key, names)


def objective(model: ModelHandle, setting: StagesSetting, card: Mapping[str, Any]) -> Objective:
    """Return the objective of the network's training, which decodes outputs."""
    if setting.training is None:
        return TASKS.find(model.task).objective((), "random images")
    return setting.training.objective(card["class_names"])


def task_of(model: ModelHandle, setting: StagesSetting) -> str:
    """Return the task that the network is trained for."""
    return setting.training.task if setting.training else model.task


def is_random(card: Mapping[str, Any]) -> bool:
    """Return whether the weights of a network are random."""
    return bool(card["weights"] == training.RANDOM)


def kept(model: ModelHandle, setting: StagesSetting, context: Context) -> Path | None:
    """Return the weights that the accuracy probe of the run saved for seed 0 of this training."""
    if setting.training is None or setting.weights:
        return None
    return accuracy.kept(model, setting.training, 0, context)


def _network(setting: StagesSetting, file: Path | None = None) -> CompressionSetting:
    """Return the setting with which the compression probe makes this network."""
    return CompressionSetting(
        part="train",
        training=setting.training,
        weights=str(file) if file else setting.weights,
        weights_sha256=setting.weights_sha256,
        classes=setting.classes,
    )


def _label(model: ModelHandle, setting: StagesSetting) -> str:
    """Return a label of the model that is different for each size of an untrained network."""
    return f"{model.label} {setting.image_size}px" if setting.image_size else model.label


def _is_made(folder: Path) -> bool:
    return (folder / paths.FLOAT32_CARD).is_file() and (folder / networks.WEIGHTS).is_file()


def _remark(files: Path, setting: StagesSetting, card: Mapping[str, Any]) -> str:
    """Return a note on what is timed: number and size of the pictures, origin of the weights."""
    found = sorted(files.glob("*.jpg"))
    sizes = []
    for file in found:
        with Image.open(file) as opened:
            sizes.append(opened.size)
    middle = sorted(sizes, key=lambda size: size[0] * size[1])[len(sizes) // 2]
    of = "test pictures" if setting.training else "random pictures"
    length = show(int(median(file.stat().st_size for file in found)), "bytes")
    return (
        f"{plural(len(found), 'JPEG file')} of {of}, quality {pictures.QUALITY}, typically "
        f"{middle[0]} x {middle[1]} px and {length}; weights {card['weights']}"
    )
