"""Postprocessing inside the file: networks whose last layers decode their outputs.

The task of a model provides it (`tasks.finishing.Finishing`); each runtime converts the whole.
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
    """Return what is measured: a ``keras.Model``, or it with its postprocessing inside.

    Raises:
        JobFailed: the outputs of the model cannot do its task.
    """
    if not setting.nms:
        return keras_model
    chosen, _ = network.select_output(model, keras_model)
    return TASKS.find(model.task).finished(chosen)


def difference(model: ModelHandle, setting: LatencySetting) -> Difference:
    """Return the comparison of outputs: number by number, or as the task compares answers."""
    task = TASKS.find(model.task)
    return task.finished_difference if setting.nms else calibrated_model.difference


def doubts(model: ModelHandle, setting: LatencySetting) -> list[str]:
    """Return a flag where the postprocessing is timed, whose time depends on the outputs."""
    if not setting.nms:
        return []
    task = TASKS.find(model.task)
    return [unrepresentative(task, "random pictures" if model.is_trained else UNTRAINED)]


def unrepresentative(task: Task, why: str) -> str:
    """Return the flag of a postprocessing that was timed on other outputs than those in use."""
    return f"{why}: the time of {task.postprocessing} is not representative"


@contextmanager
def refusing(setting: LatencySetting) -> Iterator[None]:
    """Turn the error of a runtime that cannot take the postprocessing into one line.

    Raises:
        Unavailable: conversion or call failed; the message has the reason of the runtime.
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
    """Return the line of a converter's message that gives the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    with_reason = [line for line in lines if "error:" in line] or lines or [type(error).__name__]
    return brief(with_reason[0].rpartition("error:")[2].strip() or with_reason[0])
