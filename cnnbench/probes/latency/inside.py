"""Postprocessing inside the file: networks whose last layer decodes their outputs.

A model's task provides the layer (`tasks.finishing.Finishing`); runtimes convert the whole network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from cnnbench.errors import CnnbenchError, Unavailable, brief, is_out_of_memory
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy.training import network
from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.tasks.task import TASKS, Task

UNTRAINED = "untrained weights"

Difference = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], tuple[float, float]]
"""Outputs and the expected ones -> the largest difference, and the scale it is relative to."""


def finished(model: ModelHandle, keras_model: Any, setting: LatencySetting) -> Any:
    """Return the network to measure, with its postprocessing inside if the setting says so.

    Raises:
        JobFailed: the outputs of the model do not fit its task.
    """
    if not setting.nms:
        return keras_model
    chosen, _ = network.select_output(model, keras_model)
    return TASKS.find(model.task).finished(chosen)


def difference(model: ModelHandle, setting: LatencySetting) -> Difference:
    """Return the comparison of outputs: elementwise, or as the task compares answers."""
    return comparison(TASKS.find(model.task), setting.nms)


def comparison(task: Task, is_finished: bool) -> Difference:
    """Return the comparison of a network's outputs, or of its answers if it is finished."""
    if is_finished:
        return task.finished_difference

    def difference(
        outputs: Sequence[np.ndarray], expected: Sequence[np.ndarray]
    ) -> tuple[float, float]:
        return calibrated_model.difference(task.aligned(outputs, expected), expected)

    return difference


def doubts(model: ModelHandle, setting: LatencySetting) -> list[str]:
    """Return a flag if postprocessing is timed, whose time depends on the outputs."""
    if not setting.nms:
        return []
    task = TASKS.find(model.task)
    return [unrepresentative(task, "random pictures" if model.is_trained else UNTRAINED)]


def unrepresentative(task: Task, why: str) -> str:
    """Return the flag of postprocessing that was timed on unrepresentative outputs."""
    return f"{why}: the time of {task.postprocessing} is not representative"


@contextmanager
def refusing(setting: LatencySetting) -> Iterator[None]:
    """Turn the error of a runtime that does not support the postprocessing into one line.

    Raises:
        Unavailable: conversion or call failed; the message contains the runtime's reason.
    """
    try:
        yield
    except CnnbenchError:
        raise
    except Exception as error:  # a converter may raise anything
        if not setting.nms or is_out_of_memory(error):
            raise
        words = f"{setting.runtime} cannot run NMS inside the file: {reason(error)}"
        raise Unavailable(words) from error


def reason(error: BaseException) -> str:
    """Return the line of a converter's message that states the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    with_reason = [line for line in lines if "error:" in line] or lines or [type(error).__name__]
    return brief(with_reason[0].rpartition("error:")[2].strip() or with_reason[0])
