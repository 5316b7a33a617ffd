"""The trained detector of a tracking job: kept by the accuracy probe, from a file, or trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnbench.models.handle import ModelHandle
from cnnbench.probes import artifacts
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import network as networks
from cnnbench.probes.accuracy.training.recipes import RECIPES
from cnnbench.probes.compression import networks as flat
from cnnbench.probes.compression import training as compression
from cnnbench.probes.interface import Context
from cnnbench.probes.tracking.settings import TrackingSetting
from cnnbench.probes.trained_network import trained_interface
from cnnbench.record import FLOAT32, job_key


def trained(model: ModelHandle, setting: TrackingSetting, context: Context) -> tuple[Any, str]:
    """Return the detector trained with the seed of this job, and where its weights are from.

    The weights that the accuracy probe kept of the same training in this run are used. Otherwise
    the first job of a seed trains the detector and keeps its weights for the other trackers.

    Raises:
        Unavailable: the data or the weights are not on this machine.
        JobFailed: the training diverged, or the weights file changed since planning.
    """
    training, seed = setting.training, context.repeat
    assert training is not None
    if setting.weights:
        where = (context.search_path, context.data_dir)
        file = networks.weights_file(setting.weights, setting.weights_sha256, *where)
        return _loaded(model, setting, training, file, seed), f"from {file.name}"
    if (kept := accuracy.kept(model, training, seed, context)) is not None:
        return _loaded(model, setting, training, kept, seed), "kept by the accuracy probe"
    own = _own(model, training, seed, context)
    if own.is_file():
        return _loaded(model, setting, training, own, seed), "trained for another tracker"
    job, loop = accuracy.prepare_training(model, training, context)
    network = RECIPES[training.recipe](job, loop)
    own.parent.mkdir(parents=True, exist_ok=True)
    unfinished = own.with_name(f"unfinished-{own.name}")
    network.save_weights(str(unfinished))
    unfinished.replace(own)
    loop.checkpoint.remove()
    return network, "trained here"


def _loaded(
    model: ModelHandle, setting: TrackingSetting, training: AccuracySetting, file: Path, seed: int
) -> Any:
    objective = training.objective([""] * setting.classes)
    shape, classes = trained_interface(model, training, objective)
    network, _ = flat.build(model, training, objective, shape, classes)
    compression.load(network, file, model, training, objective, seed)
    return network


def _own(model: ModelHandle, training: AccuracySetting, seed: int, context: Context) -> Path:
    """Return the file in which jobs of this probe keep the weights of a seed."""
    values = training.model_dump(mode="json")
    key = job_key(model.identity(), FLOAT32, TrackingSetting.probe, values, seed)
    names = ["detector", f"detector {training.label()}"]
    folder = artifacts.claim(context.artifacts.parent, f"tracking-{key[:16]}", names)
    return folder / f"seed-{seed}.weights.h5"
