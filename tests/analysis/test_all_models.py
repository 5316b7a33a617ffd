"""The registry, counted three ways: from its layers, from its traced graph, and independently."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from cnnbench.analysis import inspect, weightless
from cnnbench.analysis.count import depth
from cnnbench.analysis.graph import Graph
from cnnbench.analysis.inference_memory import liveness
from cnnbench.analysis.inputs import wanted_inputs
from cnnbench.analysis.listing.network import traced
from cnnbench.analysis.listing.walk import NotListed, walk
from cnnbench.analysis.receptive_field.network import receptive_fields
from cnnbench.analysis.training_memory import estimate_training_bytes
from cnnbench.analysis.work import NOTHING
from cnnbench.models import registry
from cnnbench.models.catalog import ENTRIES
from tests.analysis.traced_count import traced_macs

# Networks with a layer of their own, which no rule knows.
ONLY_TRACED = {"AlexNet", "ZFNet", "GoogLeNet", "ShuffleNetV2"}
ONLY_TRACED |= {name for name, entry in ENTRIES.items() if entry.task == "detection"}


def smallest_of_each_family() -> set[str]:
    """The network of fewest parameters in every family that is traced within seconds."""
    found: dict[str, str] = {}
    for name, entry in sorted(ENTRIES.items(), key=lambda item: item[1].params or 0):
        found.setdefault(entry.family, name)
    return set(found.values())


def facts(graph: Graph) -> dict[str, Any]:
    """Everything that both ways must agree in."""
    fields = receptive_fields(graph)
    memory = liveness(graph)
    return {
        "work": sum((op.work for op in graph.ops), NOTHING),
        "uncounted": [one for op in graph.ops for one in op.uncounted],
        "fields": [
            (fields[out].axes, fields[out].sees_all, fields[out].lost) for out in graph.outputs
        ],
        "depth": depth(graph),
        "memory": (memory.total, memory.peak, estimate_training_bytes(graph)),
        "rows": [(op.call.name, op.call.kind) for op in graph.ops],
    }


QUICK = smallest_of_each_family() - {"NASNetMobile", "InceptionResNetV2"}
QUICK -= {"SSDLite320", "RetinaNet", "MaskRCNN"}
# Deep ones of blocks that others of these have too.
QUICK -= {"DenseNet121", "InceptionV3", "Xception", "EfficientNetV2B0", "ResNet50V2", "CSPResNet50"}
QUICK -= {"SEResNet34", "EfficientNetLite0", "MobileNet"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow]) for n in registry.names()],
)
def test_layer_rules_and_tracing_agree_with_an_independent_count(name: str) -> None:
    tf.keras.backend.clear_session()
    with weightless():
        model = registry.resolve(name).architecture()
        found = inspect(model)
        inputs = wanted_inputs(model, None)
        graph = traced(model, inputs)
        try:
            listed = facts(walk(model, inputs))
        except NotListed:
            assert name in ONLY_TRACED
        else:
            true = facts(graph)
            listed["rows"], true["rows"] = sorted(listed["rows"]), sorted(true["rows"])
            assert listed == true
        assert found.uncounted_ops == []
        assert found.bounds == {}
        assert found.metrics["macs"] == traced_macs(model)
        assert found.metrics["params"] == model.count_params() == ENTRIES[name].params
        assert sum(row.params for row in found.rows) == model.count_params()
