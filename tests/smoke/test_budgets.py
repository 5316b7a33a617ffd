"""Small networks held to their budgets by this package's own fixture."""

from __future__ import annotations

import pytest

from cnnbench.pytest_plugin import Budget


def test_lenet_stays_within_its_budget(cnn_budget: Budget) -> None:
    # 61,706 parameters and 416,520 MACs: LeCun et al. 1998, with a full C3 and a dense output.
    cnn_budget("LeNet5", params=61706, macs=416520, activation_infer_peak="30kB")


@pytest.mark.slow
def test_lenet_is_faster_than_the_first_network_of_the_chapter(cnn_budget: Budget) -> None:
    # 0.4 M MACs against 89 M: the ratio is some 1/30, whatever the machine is doing.
    report = cnn_budget(
        "LeNet5",
        latency_p50={"litert": "1s"},
        relative_to="BasicCNN",
        latency_ratio=0.5,
        rounds=1,
    )
    assert list(report["model"]) == ["LeNet5", "BasicCNN"]


def test_live_network_is_accepted(cnn_budget: Budget) -> None:
    keras = pytest.importorskip("keras")
    layers = keras.layers
    net = keras.Sequential(
        [keras.Input((16, 16, 1)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)],
        name="tiny",
    )
    # 4 * (9 + 1) + 2 * (14 * 14 * 4 + 1) = 1,610; 14 * 14 * 4 * 9 + 784 * 2 = 8,624.
    cnn_budget(net, params=1610, macs=8624)
