"""The ``sliding`` probe: train a classifier, slide it over larger pictures in two ways, compare.

As a fully convolutional network (``+slide``) it computes the maps of a picture once; as a
classifier of crops (``+crops``) it sees every window as an image of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.data import datasets
from cnnbench.data.datasets import Request
from cnnbench.errors import JobFailed, Unavailable
from cnnbench.models.fcn import Classifier, sliding, to_fcn
from cnnbench.models.fcn.sliding import Grid
from cnnbench.models.handle import ModelHandle
from cnnbench.models.heads.slide import SLIDE
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.training import network as networks
from cnnbench.probes.accuracy.training.recipes import RECIPES, Preprocess, TrainingJob
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.sliding.settings import MOSAIC, NOISE, SlidingSetting
from cnnbench.tasks.task import TASKS, Objective

_NATIVE = 64  # windows on which the two networks are compared at the classifier's own size
_BATCH = 256  # windows


def run(model: ModelHandle, setting: SlidingSetting, context: Context) -> ProbeResult:
    """Compare the answers for every window of every picture.

    Raises:
        Unavailable: the data or the weights are not on this machine.
        JobFailed: the training diverged, or the model is no classifier that slides.
    """
    handle = model.backbone
    if handle is None:
        raise JobFailed("it has no classifier that slides")
    found = _Classifier(handle, setting, context)
    context.report_progress(f"sliding over {setting.count} pictures")
    slid = _slid(found.network, model.input_shape)
    read = Classifier.read(found.network)
    grid = Grid.on(model.input_shape, read.window, read.stride())
    pictures = _pictures(model, setting, context, found)
    places, crops = [], []
    native: tuple[np.ndarray, np.ndarray] | None = None
    for picture in pictures:
        windows = _windows(picture, grid)
        crops.append(found.network.predict(windows, batch_size=_BATCH, verbose=0))
        places.append(slid.predict(picture[None], verbose=0).reshape(crops[-1].shape))
        if native is None:
            fcn = to_fcn(found.network, handle.input_shape)
            ours = fcn.predict(windows[:_NATIVE], verbose=0)
            native = ours.reshape(len(ours), -1), crops[0][:_NATIVE]
    assert native is not None
    return _compared(np.concatenate(places), np.concatenate(crops), native, found, grid, slid)


class _Classifier:
    """The classifier with weights, and what is known of its training.

    Attributes:
        network: from images of a window to classes, one output.
        objective, preprocess: of its task, and of its images.
        job: its training, or None for random weights.
        metrics, details: of the training.
    """

    def __init__(self, handle: ModelHandle, setting: SlidingSetting, context: Context) -> None:
        self.job: TrainingJob | None = None
        self.metrics: Mapping[str, float] = {}
        self.details: Mapping[str, Any] = {"weights": "random, seeded"}
        self.preprocess: Preprocess = handle.preprocess
        self.objective: Objective = TASKS.find(handle.task).objective((), "random images")
        if setting.training is None:
            self.network, _ = networks.select_output(handle, calibrated_model.build(handle))
            return
        self.job, training = accuracy.prepare_training(handle, setting.training, context)
        self.preprocess, self.objective = self.job.preprocess, self.job.objective
        if setting.weights:
            where = (context.search_path, context.data_dir)
            file = networks.weights_file(setting.weights, setting.weights_sha256, *where)
            self.network = _with_weights(handle, file, self.job)
            self.details = {"weights": f"from {Path(setting.weights).name}"}
            return
        self.network = RECIPES[setting.training.recipe](self.job, training)
        result = accuracy.evaluate(self.network, self.job, training)
        training.checkpoint.remove()
        primary = setting.training.goal.primary
        self.metrics = {"train_s": result.metrics["train_s"]}
        self.details = {"weights": "trained here", primary: result.metrics[primary]}


def _with_weights(handle: ModelHandle, file: Path, job: TrainingJob) -> Any:
    outputs = job.objective.outputs_for(handle.classes)
    network = handle.build(classes=outputs, weights=file)
    return networks.select_output(handle, network)[0]


def _slid(network: Any, input_shape: tuple[int, ...]) -> Any:
    """Return the classifier as a fully convolutional network of larger pictures."""
    import tensorflow as tf

    images = tf.keras.Input(input_shape)
    classes = int(network.outputs[0].shape[-1])
    return tf.keras.Model(images, SLIDE.attach(network, classes, images))


def _windows(picture: np.ndarray, grid: Grid) -> np.ndarray:
    """Return every window of a picture, row by row, ``(places, height, width, channels)``."""
    height, width = grid.window
    corners = (grid.offset(divmod(at, grid.places[1])) for at in range(grid.count))
    return np.stack([picture[y : y + height, x : x + width] for y, x in corners])


def _pictures(
    model: ModelHandle, setting: SlidingSetting, context: Context, found: _Classifier
) -> Iterator[np.ndarray]:
    """Yield the pictures, preprocessed, ``(height, width, channels)``.

    Raises:
        Unavailable: their data set is not on this machine.
    """
    height, width, channels = model.input_shape
    whole: Iterator[np.ndarray]
    if setting.pictures == NOISE:
        for seed in range(setting.count):
            yield calibrated_model.random_inputs(model, 1, seed=100 + seed)[0]
        return
    if setting.pictures == MOSAIC:
        assert found.job is not None
        images = found.job.dataset.test.images
        whole = (_mosaic(images, (height, width), seed) for seed in range(setting.count))
    else:
        whole = _of_dataset(setting, context, (height, width), channels)
    for picture in whole:
        batch = picture[None].astype(np.float32)
        yield np.asarray(found.preprocess(batch), np.float32)[0]


def _mosaic(images: np.ndarray, size: tuple[int, int], seed: int) -> np.ndarray:
    """Return test images side by side, begun at a random pixel of the first."""
    rng = np.random.default_rng((14, seed))
    height, width = images.shape[1:3]
    down, right = size[0] // height + 2, size[1] // width + 2
    chosen = images[rng.integers(0, len(images), down * right)]
    rows = chosen.reshape(down, right, *images.shape[1:]).transpose(0, 2, 1, 3, 4)
    whole = rows.reshape(down * height, right * width, -1)
    top, left = rng.integers(0, height), rng.integers(0, width)
    return whole[top : top + size[0], left : left + size[1]]


def _of_dataset(
    setting: SlidingSetting, context: Context, size: tuple[int, int], channels: int
) -> Iterator[np.ndarray]:
    """Yield the first test pictures of a data set."""
    request = Request(
        name=setting.pictures,
        size=size,
        channels=channels,
        train_examples=setting.count,
        test_examples=setting.count,
        cache=context.cache,
    )
    splits = datasets.find(setting.pictures, context.search_path).load(
        request, context.data_dir, context.search_path
    )
    if len(splits.test.labels) < setting.count:
        raise Unavailable(f"{setting.pictures} has only {len(splits.test.labels)} test pictures")
    yield from splits.test.read(np.arange(setting.count), size, channels)


def _compared(
    places: np.ndarray,
    crops: np.ndarray,
    native: tuple[np.ndarray, np.ndarray],
    found: _Classifier,
    grid: Grid,
    slid: Any,
) -> ProbeResult:
    if not (np.isfinite(places).all() and np.isfinite(crops).all()):
        raise JobFailed("its outputs are not finite")
    encoding = found.objective.encoding(found.network)
    agreement = found.objective.agreement(places, crops, encoding)
    differences = np.abs(places - crops)
    metrics = {
        **found.metrics,
        "windows": float(grid.count),
        "native_max_abs_diff": float(np.abs(native[0] - native[1]).max()),
        "place_max_abs_diff": float(differences.max()),
        **({} if agreement is None else {"place_agreement": agreement}),
    }
    details = {
        **found.details,
        "place_mean_abs_diff": float(differences.mean()),
        "border": asdict(sliding.border(slid)),
        "grid": asdict(grid),
        "compared": len(places),
    }
    return ProbeResult(metrics=metrics, details=details)
