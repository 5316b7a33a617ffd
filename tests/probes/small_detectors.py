"""Detectors small enough to train in a test."""

from __future__ import annotations

from typing import Any

from cnnbench.probes.accuracy.settings import AccuracySetting

SCENES = "scenes[objects=1-3,px=32,sides=10-22]"
NAME = "trunk+yolo[grid=4,width=16,depth=0]"
"""Of `small_locators.BUILDERS`."""


def setting(**wording: Any) -> AccuracySetting:
    """Return a short training for detection."""
    return AccuracySetting.model_validate(
        {
            **{"dataset": SCENES, "task": "detection", "image_size": 32, "epochs": 3},
            **{"train_examples": 128, "test_examples": 100, "batch_size": 32},
            **{"learning_rate": 0.01, **wording},
        }
    )
