"""The page on localization: its table and figures are what the loss computes."""

from __future__ import annotations

import numpy as np
import pytest

from cnnbench.tasks.localization import LocalizationOptions, losses
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "localization.md").read_text("utf-8")
WIDTHS = (0.05, 0.1, 0.2, 0.4, 0.8)
ERROR, PX = 0.05, 224


def squared_errors(width: float) -> tuple[float, float]:
    """Return the squared errors of a width and of its root, four times the loss of the box."""
    true = np.array([[0.5, 0.5, width, 0.5, 1.0]], np.float32)
    given = np.array([[0.5, 0.5, width + ERROR, 0.5]], np.float32)
    plain, root = (4 * float(losses.box_loss(sqrt)(true, given)[0]) for sqrt in (False, True))
    return plain, root


def row(width: float) -> str:
    plain, root = squared_errors(width)
    widths = (f"{one:.2f} ({one * PX:.1f} px)" for one in (width, width + ERROR))
    return f"| {' | '.join(widths)} | {plain:.4f} | {root:.5f} |"


def test_the_table_of_errors_is_computed() -> None:
    head = "| width | predicted | error² of w | error² of √w |\n|---:|---:|---:|---:|\n"
    table = head + "\n".join(map(row, WIDTHS)) + "\n"
    assert table in PAGE, f"\n{table}"


def test_the_errors_by_hand() -> None:
    assert squared_errors(0.05) == pytest.approx((0.0025, (0.1**0.5 - 0.05**0.5) ** 2), rel=1e-4)
    ratio = squared_errors(0.05)[1] / squared_errors(0.8)[1]
    assert f"counts {ratio:.0f} times as much as at 0.8" in PAGE


def test_the_mean_iou_of_keras_is_not_of_boxes() -> None:
    import tensorflow as tf

    metric = tf.keras.metrics.MeanIoU(num_classes=2)
    metric.update_state(np.array([[0.1, 0.1, 0.4, 0.4]]), np.array([[0.6, 0.6, 0.9, 0.9]]))
    assert float(metric.result()) == pytest.approx(1.0)
    assert "for (0.1, 0.1,\n0.4, 0.4) and (0.6, 0.6, 0.9, 0.9), which do not overlap" in PAGE


def test_the_page_states_the_defaults_and_the_tangent() -> None:
    of_class, of_box = LocalizationOptions().loss_weights
    assert f"`[{of_class:g}, {of_box:g}]`" in PAGE
    assert losses.LINEAR_BELOW == 0.001
