"""The engine against the traced graph, MAC for MAC, over everything there is to count."""

from __future__ import annotations

import pytest
import tensorflow as tf

from cnnbench.analysis import inspect, weightless
from cnnbench.models import registry
from tests.analysis.traced_count import traced_macs

FAST = ("LeNet5", "MobileNetV2", "MobileNetV3Small")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in FAST else [pytest.mark.slow]) for n in registry.names()],
)
def test_macs_equal_those_of_the_traced_graph(name: str) -> None:
    tf.keras.backend.clear_session()
    with weightless():
        model = registry.resolve(name).architecture()
        found = inspect(model)
        assert found.uncounted_ops == []
        assert found.metrics["macs"] == traced_macs(model)
        assert found.metrics["params"] == model.count_params()
        assert sum(row.params for row in found.rows) == model.count_params()
