"""The ``stages`` probe: time JPEG bytes → input → outputs → answer, by stage and end to end.

``weights`` trains the network and writes test pictures as JPEG files, once for all runtimes. Then
``prepare`` converts the network for one runtime. Every round times the same pictures in a fresh
process, in calls that go through all stages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.errors import JobFailed
from cnnbench.files import replace_text
from cnnbench.models import output_names
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.compression import networks, training
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency import calibrated_model, inside, timed_calls
from cnnbench.probes.latency.runtimes import RUNTIMES, Runtime, RuntimeInfo
from cnnbench.probes.latency.runtimes.base import RuntimeBase
from cnnbench.probes.latency.runtimes.tensorflow_device import show_gpu
from cnnbench.probes.latency.timed_round import TimingConfig
from cnnbench.probes.stages import pictures, summary, weights
from cnnbench.probes.stages.pipeline import Pipeline, Stage
from cnnbench.probes.stages.settings import COPIES, SHARE, WHOLE, StagesSetting
from cnnbench.tasks.task import TASKS, Arrays, Objective

_CARD = "network.json"
_INPUTS = 4  # least number of pictures used
_ADDS_UP = 0.05  # relative difference of the sum of the stages from the whole


def prepare(model: ModelHandle, setting: StagesSetting, context: Context) -> ProbeResult:
    """Convert the trained network for one runtime.

    Raises:
        Unavailable: the network was not made, or the runtime is not available here.
    """
    model = weights.sized(model, setting)
    info = RUNTIMES.find(setting.runtime)
    folder = weights.folder_of(model, setting, context)
    card = training.card(folder)
    runtime = _create(info, model, setting, card, context.artifacts)
    show_gpu(False)
    context.report_progress("building")
    objective = weights.objective(model, setting, card)
    network = networks.fresh_copy(model, setting.training, objective, card, folder)
    enter = _entrance(model, setting, card)
    contents = pictures.read(weights.pictures_of(model, setting, context))
    inputs = [enter(content) for content in contents[:_INPUTS]]
    if setting.nms:
        options = setting.training and setting.training.goal_options()
        network = TASKS.find(weights.task_of(model, setting)).finished(network, options)
    structure = output_names.of(network)
    names = sorted(structure) if isinstance(structure, Mapping) else []
    replace_text(context.artifacts / _CARD, json.dumps({"outputs": names}))
    calibrated_model.write_outputs(network, inputs, context.artifacts)
    context.report_progress("converting")
    if isinstance(runtime, RuntimeBase):
        runtime.has_random_weights = weights.is_random(card)
    with inside.refusing(setting.latency()):
        made = runtime.prepare(network)
    return ProbeResult(details=dict(made))


def run(
    model: ModelHandle,
    setting: StagesSetting,
    context: Context,
    timing: TimingConfig = timed_calls.TIMING,
) -> ProbeResult:
    """Make the weights, or time one round of calls through all stages.

    Raises:
        Unavailable: data, weights or the result of an earlier part are missing.
        JobFailed: the training diverged, or a file of `prepare` is missing.
    """
    model = weights.sized(model, setting)
    if setting.part == "weights":
        return weights.run(model, setting, context)
    return _timed(model, setting, context, timing)


def _timed(
    model: ModelHandle, setting: StagesSetting, context: Context, timing: TimingConfig
) -> ProbeResult:
    info = RUNTIMES.find(setting.runtime)
    card = training.card(weights.folder_of(model, setting, context))
    runtime = _create(info, model, setting, card, context.artifacts)
    info.check_files(context.artifacts)
    contents = pictures.read(weights.pictures_of(model, setting, context))
    if not contents:
        raise JobFailed("its pictures are missing: run again with --fresh")
    calls = _Calls(model, setting, card, runtime, context.artifacts)
    difference, scale = calls.open(contents[0])
    pipeline = calls.pipeline()
    context.report_progress("timing")
    whole, stages = timed_calls.timed_parts(
        pipeline,
        pipeline.seconds,
        contents,
        runtime.threads,
        timing,
        context.fastest,
        setting.has_tail,
    )
    result = ProbeResult(metrics={"output_max_abs_diff": difference})
    for stage, found in {**stages, WHOLE: whole}.items():
        result.metrics |= {summary.named(stage, m): v for m, v in found.metrics.items()}
        result.samples[f"{stage}_s"] = found.samples[summary.SAMPLES]
        result.details[stage] = found.details
    result.metrics[SHARE] = share = _share(result.metrics, setting)
    for stage, flags in calls.doubts(difference, scale, share).items():
        result.details[stage]["flags"] += flags
    result.details |= {
        "fastest": whole.details["fastest"],
        "threads": runtime.threads,
        "output_scale": scale,
        "pictures_timed": len(contents),
    }
    runtime.close()
    return result


def _share(metrics: Mapping[str, float], setting: StagesSetting) -> float:
    """Return the sum of the stages in a typical call over the median of the end-to-end time."""
    typical = (metrics[summary.named(stage, timed_calls.TYPICAL)] for stage in setting.summed)
    return sum(typical) / metrics[summary.named(WHOLE, "latency_p50_s")]


class _Calls:
    """The calls of one round.

    Attributes:
        enter: bytes of a JPEG file -> input of the network.
    """

    def __init__(
        self,
        model: ModelHandle,
        setting: StagesSetting,
        card: Mapping[str, Any],
        runtime: Runtime,
        folder: Path,
    ) -> None:
        self._setting, self._card, self._runtime, self._folder = setting, card, runtime, folder
        self._task = TASKS.find(weights.task_of(model, setting))
        self._objective: Objective = weights.objective(model, setting, card)
        self._names = json.loads((folder / _CARD).read_text(encoding="utf-8"))["outputs"]
        self.enter = _entrance(model, setting, card)

    def open(self, content: bytes) -> tuple[float, float]:
        """Start the runtime; return the difference of its outputs from Keras', and their scale."""
        self._runtime.start()
        _limit_tensorflow(self._runtime.threads)
        expected = calibrated_model.read_expected(self._folder)
        image = self.enter(content)
        with inside.refusing(self._setting.latency()):
            self._runtime.load()
            self._runtime.compile(image)
            result = self._runtime.call(self._runtime.feed(expected.inputs[0]))
        compare = inside.comparison(self._task, self._setting.nms)
        return compare(self._runtime.outputs(result), expected.outputs)

    def pipeline(self) -> Pipeline:
        """Return the call to time; after `open`."""
        network: dict[str, Stage] = {}
        groups = {}
        name, *later = self._setting.summed[1:]
        if self._setting.copies:
            steps = self._runtime.steps()
            network = dict(zip(COPIES, (steps.copy_in, steps.compute, steps.copy_out), strict=True))
            groups = {name: COPIES}
        else:
            network[name] = lambda image: self._runtime.outputs(
                self._runtime.call(self._runtime.feed(image))
            )
        # The answers of a finished network need no work after it.
        after = dict.fromkeys(later, self._decode)
        return Pipeline({"preprocess": self.enter, **network, **after}, groups)

    def _decode(self, found: list[np.ndarray]) -> Any:
        """Return the answer for the outputs of a call; for a detector the boxes after NMS."""
        outputs: Arrays = dict(zip(self._names, found, strict=True)) if self._names else found[0]
        return self._objective.postprocessed(outputs, self._card["outputs"])

    def doubts(self, difference: float, scale: float, share: float) -> dict[str, list[str]]:
        """Return the flags of stages, in addition to those of their timing."""
        tolerance = self._runtime.tolerance()
        _, network, *later = (*self._setting.summed, WHOLE)
        found = {network: calibrated_model.disagreement(difference, scale, tolerance)}
        if self._task.finishes and weights.is_random(self._card):
            words = inside.unrepresentative(self._task, inside.UNTRAINED)
            for stage in (network, *later) if self._setting.nms else later:
                found.setdefault(stage, []).append(words)
        if abs(share - 1) > _ADDS_UP:
            words = f"the stages add up to {share:.0%} of the end-to-end time"
            found.setdefault(WHOLE, []).append(words)
        return found


def _create(
    info: RuntimeInfo,
    model: ModelHandle,
    setting: StagesSetting,
    card: Mapping[str, Any],
    folder: Path,
) -> Runtime:
    timed = setting.latency()
    info.check(timed)
    sized = model.with_interface(tuple(card["input_shape"]), card["classes"])
    runtime = info.create(sized, timed, folder)
    runtime.check()
    return runtime


def _entrance(
    model: ModelHandle, setting: StagesSetting, card: Mapping[str, Any]
) -> pictures.Entrance:
    fit = TASKS.find(weights.task_of(model, setting)).fit
    return pictures.entrance(model, setting.training, tuple(card["input_shape"]), fit)


def _limit_tensorflow(threads: int) -> None:
    """Let TensorFlow, which may decode outputs, use the threads of the runtime and no GPU."""
    import tensorflow as tf

    show_gpu(False)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
