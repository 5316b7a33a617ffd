"""The learning rate over a training, by hand; and early stopping."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.training.optimisation import rate_at
from cnnbench.probes.interface import Context
from tests.probes.small import SmallNet
from tests.probes.test_accuracy_settings import setting


@pytest.mark.parametrize(
    ("progress", "kind", "rate"),
    [
        (0.05, "cosine", 0.5),  # half-way through a warm-up of a tenth
        (0.1, "cosine", 1.0),
        (0.55, "cosine", 0.505),  # half-way down: (1 + 0.01) / 2
        (1.0, "cosine", 0.01),
        (0.55, "linear", 0.505),
        (0.55, "exponential", 0.1),  # the square root of 0.01
        (1.0, "exponential", 0.01),
        (0.55, "constant", 1.0),
    ],
)
def test_the_learning_rate_follows_its_schedule(progress: float, kind: str, rate: float) -> None:
    assert rate_at(progress, kind, warmup=0.1, final_rate=0.01) == pytest.approx(rate)


def test_training_ends_early_where_the_validation_loss_stops_falling(tmp_path: Path) -> None:
    chosen = setting(
        dataset="digits",
        epochs=40,
        learning_rate=1.0,
        schedule="constant",
        optimizer="sgd",
        validation=0.1,
        early_stop=1,
    )
    found = accuracy.run(SmallNet(), chosen, Context(0, tmp_path, tmp_path))
    losses = [point["val_loss"] for point in found.details["curve"]]
    assert len(losses) < 40
    assert losses[-1] > min(losses) == losses[-2]


def test_the_time_to_a_target_ends_with_the_epoch_that_reaches_it(tmp_path: Path) -> None:
    wording = {"dataset": "digits", "epochs": 4, "learning_rate": 0.02, "validation": 0.2}
    chosen = setting(**wording, target_top1=0.7)
    found = accuracy.run(SmallNet(), chosen, Context(0, tmp_path, tmp_path))
    curve = found.details["curve"]
    first = next(i for i, point in enumerate(curve) if point["val_top1"] >= 0.7)
    seconds = sum(point["seconds"] for point in curve[: first + 1])
    assert found.metrics["time_to_target_s"] == pytest.approx(seconds)
    assert found.metrics["time_to_target_s"] <= found.metrics["train_s"]


def test_a_target_that_is_never_reached_has_no_time(tmp_path: Path) -> None:
    chosen = setting(dataset="digits", epochs=1, validation=0.2, target_top1=0.999)
    found = accuracy.run(SmallNet(), chosen, Context(0, tmp_path, tmp_path))
    assert "time_to_target_s" not in found.metrics
