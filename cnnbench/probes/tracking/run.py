"""The ``tracking`` probe: detect objects in every frame, link them, compare with the truth.

A repeat is a seed of the detector's training; on a CPU the scores follow from setting and seed.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnbench.errors import JobFailed
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy.training import network as networks
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.tracking.network import trained
from cnnbench.probes.tracking.settings import TRUTH, TrackingSetting
from cnnbench.probes.tracking.summary import METRICS, STEPS
from cnnbench.tasks.tracking import footage as sequences
from cnnbench.tasks.tracking import scores
from cnnbench.tasks.tracking.footage import Footage
from cnnbench.tasks.tracking.scores import Scores
from cnnbench.tasks.tracking.tracker import Detections, Tracks, resolve, track

_PASSES = 3  # over each sequence; the fastest is its time
_RESAMPLES = 200
_SEED = 14


def run(model: ModelHandle, setting: TrackingSetting, context: Context) -> ProbeResult:
    """Track the objects of every sequence, with the detector of seed ``context.repeat``.

    Raises:
        Unavailable: data, weights or TrackEval are missing.
        JobFailed: the training diverged, or a sequence has no frames for a detector.
    """
    context.report_progress("reading sequences")
    found = sequences.load(setting.dataset, setting.sequences, setting.hidden, context.search_path)
    result = ProbeResult()
    if setting.detections == TRUTH:
        given = [[Detections(one.boxes, None, one.labels) for one in x.truth] for x in found]
    else:
        given = _detected(model, setting, context, found, result)
    context.report_progress(f"tracking in {len(found)} sequences")
    tracks, seconds = _linked(given, setting.tracker)
    frames = [len(one) for one in given]
    scored = [scores.evaluate(one.truth, links) for one, links in zip(found, tracks, strict=True)]
    whole = scores.combined(scored)
    per_frame = [spent / max(count, 1) for spent, count in zip(seconds, frames, strict=True)]
    result.metrics |= {**whole.metrics, "tracker_s": sum(seconds) / max(sum(frames), 1)}
    result.samples["tracker_s"] = per_frame
    result.details |= {
        "parts": whole.parts,
        "sequences": [
            {"name": one.name, "frames": count, "objects": _objects(one), **each.metrics}
            for one, count, each in zip(found, frames, scored, strict=True)
        ],
        "replicates": _replicates(scored),
        "frames": sum(frames),
        "detections": sum(len(frame) for one in given for frame in one),
    }
    return result


def _detected(
    model: ModelHandle,
    setting: TrackingSetting,
    context: Context,
    found: Sequence[Footage],
    result: ProbeResult,
) -> list[list[Detections]]:
    """Return the detector's boxes; its time and the origin of its weights go into ``result``."""
    from cnnbench.tasks.detection.objective import DetectionObjective
    from cnnbench.tasks.tracking.detector import FrameDetector

    training = setting.training
    assert training is not None
    for one in found:
        if not len(one):
            raise JobFailed(f"{one.name} has no pictures: use detections: truth")
    network, origin = trained(model, setting, context)
    context.report_progress(f"detecting in {sum(map(len, found))} frames")
    objective = training.objective([""] * setting.classes)
    assert isinstance(objective, DetectionObjective)
    detector = FrameDetector(
        network,
        objective,
        networks.preprocessing(model, training),
        training.picture_fit,
        setting.score_floor,
        setting.nms_iou,
    )
    given = [detector.detect(one) for one in found]
    result.metrics["detector_s"] = detector.seconds / detector.frames
    result.details["weights"] = origin
    return given


def _linked(
    given: Sequence[Sequence[Detections]], name: str
) -> tuple[list[list[Tracks]], list[float]]:
    """Return the tracks of each sequence, and the tracker's time for all of its frames."""
    tracker: Any = resolve(name)
    track(given[0], tracker)  # imports and caches
    tracks, seconds = [], []
    gc.collect()
    gc.disable()
    try:
        for frames in given:
            times = []
            for _ in range(_PASSES):
                started = time.perf_counter()
                links = track(frames, tracker)
                times.append(time.perf_counter() - started)
            tracks.append(links)
            seconds.append(min(times))
    finally:
        gc.enable()
    return tracks, seconds


def _objects(footage: Footage) -> int:
    """Return the number of different objects in a sequence."""
    return len(np.unique(np.concatenate([one.ids for one in footage.truth])))


def _replicates(scored: Sequence[Scores]) -> dict[str, list[int]]:
    """Return each metric on resamples of the sequences, in units of 1 / `STEPS`.

    The resamples are the same for every detector and tracker. None of a single sequence.
    """
    if len(scored) < 2:
        return {}
    rng = np.random.default_rng(_SEED)
    draws = rng.integers(0, len(scored), (_RESAMPLES, len(scored)))
    drawn = [scores.combined([scored[i] for i in row]).metrics for row in draws]
    return {name: [round(one[name] * STEPS) for one in drawn] for name in METRICS}
