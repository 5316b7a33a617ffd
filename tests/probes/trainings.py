"""Trainings of the accuracy probe in this process, whole or killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnbench.models.model import Model
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training.loop import Training
from cnnbench.probes.interface import Context, ProbeResult


def train(model: Model, setting: AccuracySetting, folder: Path, scratch: Path) -> ProbeResult:
    """Train a model; files of the job are in ``scratch``, made images in ``folder``."""
    scratch.mkdir(exist_ok=True)
    context = Context(0, scratch, scratch, search_path=(folder,), cache=folder / "cache")
    return accuracy.run(model, setting, context)


def killed_in_the_third_epoch(train: Callable[[], ProbeResult]) -> None:
    """Start a training that is killed in its third epoch."""
    epoch = Training._epoch

    def killed_in_the_third(self: Training, *args: Any) -> dict[str, Any]:
        if args[-1] == 2:
            raise KeyboardInterrupt
        return epoch(self, *args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Training, "_epoch", killed_in_the_third)
        with pytest.raises(KeyboardInterrupt):
            train()
