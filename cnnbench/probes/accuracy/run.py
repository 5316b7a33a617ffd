"""The ``accuracy`` probe: train the network on images, evaluate it once on the test set.

A repeat is a seed. On a CPU the result follows from setting and seed alone.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from cnnbench.data import loading
from cnnbench.data.datasets import Request
from cnnbench.data.pictures import data_details
from cnnbench.errors import JobFailed, brief, is_out_of_memory
from cnnbench.metrics import QUALITY
from cnnbench.models import weights_card
from cnnbench.models.file_facts import FileFacts
from cnnbench.models.handle import ModelHandle
from cnnbench.models.preprocessing import PixelMap
from cnnbench.probes import artifacts
from cnnbench.probes.accuracy import examples
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import fixed, pretrained, transfer
from cnnbench.probes.accuracy.training import network as networks
from cnnbench.probes.accuracy.training.checkpoint import Checkpoint
from cnnbench.probes.accuracy.training.loop import Training
from cnnbench.probes.accuracy.training.recipes import RECIPES, TrainingJob
from cnnbench.probes.accuracy.training_config import CONTINUE, IMAGENET, NONE, PRETRAINED
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.record import FLOAT32, PREPARE, job_key

KNOWN = ("dataset", "task", "recipe", "image_size", "epochs", "fit", "preprocessing")
"""The facts about a training that a file with the network states."""
_MOST_POINTS = 60  # of a learning curve in a record; longer ones are thinned out


def run(model: ModelHandle, setting: AccuracySetting, context: Context) -> ProbeResult:
    """Train once, with seed ``context.repeat``, and evaluate on the test images.

    Raises:
        Unavailable: the data or the weights are missing and cannot be downloaded.
        JobFailed: the training diverged.
    """
    if setting.recipe == PRETRAINED:
        return pretrained.evaluate(model, setting, context)
    if setting.recipe == NONE:
        return fixed.evaluate(model, setting, data_request(model, setting, context), context)
    job, training = prepare_training(model, setting, context)
    network = RECIPES[setting.recipe](job, training)
    context.report_progress(f"testing on {len(job.dataset.test):,} images")
    result = evaluate(network, job, training, context)
    if setting.keep_weights:
        result.details |= _keep(network, job, context)
    training.checkpoint.remove()
    return result


def prepare_training(
    model: ModelHandle, setting: AccuracySetting, context: Context
) -> tuple[TrainingJob, Training]:
    """Return the training data, in memory, and the training loop, which resumes from a checkpoint.

    Raises:
        Unavailable: the data or the weights are missing and cannot be downloaded.
        JobFailed: too few images for the setting, or classes other than those of a fixed network.
    """
    import tensorflow as tf

    weights = _weights(model, setting, context)
    context.report_progress(f"reading {setting.dataset}")
    request = data_request(model, setting, context)
    dataset = loading.load(request, context.data_dir, context.search_path)
    if dataset.validation is None and (setting.early_stop or setting.target):
        raise JobFailed(
            f"validation: {setting.validation:g} holds out none of {len(dataset.train):,} images, "
            f"and early_stop and {setting.target_name} need some"
        )
    job = TrainingJob(model, setting, dataset, context.repeat, weights)
    job.objective.check_model(model)  # a folder's classes are known only now
    if dataset.problems:
        context.report_progress(
            f"{len(dataset.problems)} files of {setting.dataset} cannot be used"
        )
    tf.keras.utils.set_random_seed(context.repeat)
    identity = json.dumps([model.label, setting.model_dump(mode="json"), context.repeat])
    checkpoint = Checkpoint(context.scratch / "training.npz", identity)
    seed, report = context.repeat, context.report_progress
    return job, Training(setting, job.objective, seed, checkpoint, report)


def _weights(model: ModelHandle, setting: AccuracySetting, context: Context) -> str | Path:
    """Return the initial weights of a training; checked before the images are read.

    ``imagenet`` stands for those of the model itself where the recipe is ``continue``.
    """
    if setting.recipe == CONTINUE and setting.weights != IMAGENET:
        where = (context.search_path, context.data_dir)
        return networks.weights_file(setting.weights, setting.weights_sha256, *where)
    if setting.recipe != "transfer":
        return IMAGENET
    weights = transfer.locate_weights(setting, context.search_path, context.data_dir)
    if weights == IMAGENET:
        context.report_progress("looking for ImageNet weights")
        transfer.backbone(model, setting, weights)
    return weights


def data_request(model: ModelHandle, setting: AccuracySetting, context: Context) -> Request:
    """Return the request for the images of a training, at the size of the network's input."""
    height, width, channels = networks.images(model, setting)
    return Request(
        name=setting.dataset,
        size=(height, width),
        channels=channels,
        train_examples=setting.train_examples,
        test_examples=setting.test_examples,
        validation=setting.validation,
        sha256=setting.dataset_sha256,
        fit=setting.picture_fit,
        cache=context.cache,
    )


def kept(model: ModelHandle, setting: AccuracySetting, seed: int, context: Context) -> Path | None:
    """Return the weights that this probe saved in the run of ``context``; None if there are none.

    ``setting`` may be of another probe, with ``keep_weights`` off.
    """
    same = setting.model_copy(update={"keep_weights": True})
    values = same.model_dump(mode="json")
    key = job_key(model.identity(), FLOAT32, same.probe, values, PREPARE)
    folder = artifacts.find(context.artifacts.parent, key[:16])
    file = folder and folder / f"seed-{seed}.weights.h5"
    return file if file and file.is_file() else None


def _keep(network: Any, job: TrainingJob, context: Context) -> dict[str, str]:
    """Save the weights, and the whole network unless only Keras' unsafe mode could load it.

    A transferred network without a head in its name has a custom layer around its backbone.

    Returns:
        ``kept_weights``, the path of the weights in the run; nothing where there is no run.
    """
    context.artifacts.mkdir(parents=True, exist_ok=True)
    file, setting = context.artifacts / f"seed-{context.repeat}", job.setting
    weights = Path(f"{file}.weights.h5")
    network.save_weights(str(weights))
    facts = _facts(job)
    card = {
        "model": job.model.label,
        "input_shape": list(networks.images(job.model, setting)),
        "class_names": list(facts.classes),
        "task": facts.task,
        "training": setting.model_dump(mode="json", exclude={"keep_weights"}),
        "seed": context.repeat,
        **({"pixels": facts.pixels.to_json()} if facts.pixels else {}),
    }
    weights_card.write(weights, card)
    kept = {} if context.run is None else {"kept_weights": _path_in(context.run, weights)}
    if setting.recipe == "transfer" and not job.model.backbone:
        return kept
    # A copy, as the trained object would include its optimiser.
    shape, momentum = networks.images(job.model, setting), setting.batchnorm_momentum
    whole, _ = networks.scratch(job.model, shape, job.objective, momentum, setting.goal)
    whole.set_weights(network.get_weights())
    try:
        whole.save(f"{file}.keras")
        facts.write(Path(f"{file}.keras"))
        if facts.pixels is None:
            context.report_progress(
                "the .keras file does not include the preprocessing, which is not linear per pixel"
            )
    except Exception as error:  # layers of the user's own that cannot be serialised
        if is_out_of_memory(error):
            raise
        context.report_progress(f"only the weights are kept: {brief(error, 200)}")
    return kept


def _facts(job: TrainingJob) -> FileFacts:
    """Return what a file with the trained network says about itself."""
    setting = job.setting
    return FileFacts(
        setting.task,
        tuple(setting.goal.network_classes(job.dataset.classes)),
        PixelMap.of(job.preprocess, networks.channels(job.model)),
        setting.fit,
        training=setting.model_dump(mode="json", include=set(KNOWN)),
    )


def _path_in(run: Path, file: Path) -> str:
    return file.resolve().relative_to(run.resolve()).as_posix()


def evaluate(
    network: Any, job: TrainingJob, training: Training, context: Context | None = None
) -> ProbeResult:
    """Evaluate a trained ``keras.Model`` on the test images; add the metrics of its training.

    With ``context`` some of the test images are kept as example pictures, where the task draws
    them.

    Raises:
        JobFailed: its outputs are not finite.
    """
    dataset, objective = job.dataset, job.objective
    answers = networks.predicted(network, job.evaluation_batches(dataset.test), objective)
    if not networks.are_finite(answers):
        raise JobFailed(f"diverged at epoch {len(training.curve)}: its outputs are not finite")
    targets, encoding = objective.targets(dataset.test), objective.encoding(network)
    found = objective.evaluate(answers, targets, encoding)
    shown: dict[str, Any] = {}
    if context is not None:
        rows = examples.places(len(dataset.test))
        images = list(dataset.test.images[rows])
        evaluated = examples.Evaluated(rows, images, answers, targets)
        shown = examples.kept(evaluated, objective, encoding, context)
    notes = [*training.notes, *objective.notes(job.model, dataset.test, encoding), *found.notes]
    return ProbeResult(
        metrics={**found.metrics, **_pace(training), **_time_to_target(training)},
        details={
            **found.details,
            **shown,
            **networks.output_details(training.output),
            "curve": _thinned(training.curve),
            "features_s": round(training.features_s, 4),
            "n_train": len(dataset.train),
            **data_details(dataset, notes),
        },
    )


def _pace(training: Training) -> dict[str, float]:
    """Return the training seconds (features included) and the pace of the last phase.

    There is no ``images_per_s`` for a head trained on features. The first epoch of a phase and of
    an attempt traces the graph and is left out of the pace, unless there is no other.
    """
    curve = training.curve
    train_s = training.features_s + sum(float(point["seconds"]) for point in curve)
    last = [point for point in curve if point["phase"] == curve[-1]["phase"]]
    steady = [point for point in last if "traced" not in point] or last
    epoch_s = statistics.median(float(point["seconds"]) for point in steady)
    found = {"train_s": train_s, "epoch_s": epoch_s}
    return found | ({"images_per_s": training.images / epoch_s} if training.images else {})


def _time_to_target(training: Training) -> dict[str, float]:
    """Return the training seconds until the validation images first reached the target."""
    setting, seconds = training.setting, training.features_s
    if setting.target is None:
        return {}
    watched = setting.goal.watched
    sign = -1 if QUALITY[watched].metric.better == "lower" else 1
    for point in training.curve:
        seconds += float(point["seconds"])
        if sign * point[f"val_{watched}"] >= sign * setting.target:
            return {"time_to_target_s": seconds}
    return {}


def _thinned(curve: list[dict[str, Any]]) -> list[dict[str, Any]]:
    step = -(-len(curve) // _MOST_POINTS)
    return [
        point for index, point in enumerate(curve, 1) if index % step == 0 or point is curve[-1]
    ]
