"""Records of detectors with chosen average precisions; nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnbench.record import Record
from cnnbench.tasks.resampled_task import STEPS
from tests.records import record

SETTING = {"dataset": "scenes", "task": "detection", "image_size": 112}
LABEL = "scenes/scratch/task=detection"
COLUMN = f"box_map@{LABEL}"
CURVE = [1000, 900, 500, 0]


def details(
    value: float,
    seed: int = 0,
    *,
    shared: float = 0.02,
    own: float = 0.002,
    images: str = "same",
    chance: float = 0.01,
) -> dict[str, Any]:
    """Return the details of an evaluation.

    Args:
        value: the average precision.
        seed: of what the network's resamples have alone.
        shared: standard deviation over the resamples that all networks share: hard images.
        own: likewise, of this network and seed alone.
        images: hash of the test objects.
        chance: that of a constant answer.
    """
    hard = np.random.default_rng(0).normal(0, shared, 200)
    alone = np.random.default_rng((1, seed, round(1e6 * value))).normal(0, own, 200)
    replicates = np.clip(np.rint((value + hard + alone) * STEPS), 0, STEPS).astype(int).tolist()
    errors = {"right": 50, "classification": 5, "localization": 20, "both": 1, "duplicate": 4,
              "background": 10, "missed": 25}  # fmt: skip
    return {
        "n_test": 2000,
        "n_objects": 100,
        "chance": chance,
        "chances": {"box_map": chance},
        "replicates": {"box_map": replicates},
        "test_objects_sha256": images,
        "classes": ["cell", "nucleus"],
        "class_objects": [70, 30],
        "class_ap": {"box_map": [value + 0.1, value - 0.1]},
        "errors": errors,
        "curves": {"0.5": {"all": CURVE, "classes": [CURVE, None]}, "0.75": {"all": CURVE}},
    }


def detector(
    model: str, values: Sequence[float], variant: str = "float32", **given: Any
) -> list[Record]:
    """Return one record per seed; ``given`` are arguments of `details`."""
    return [
        record(
            model,
            "accuracy",
            seed,
            details=details(value, seed, **given),
            setting=SETTING,
            variant=variant,
            box_map=value,
            box_map50=min(1.0, 2 * value),
        )
        for seed, value in enumerate(values)
    ]
