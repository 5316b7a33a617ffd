"""Static analysis: MACs, FLOPs, parameters, activation memory and receptive field.

Nothing is run. A network becomes a list of operations, and small functions compute one metric
each from that list:

================== ==============================================================================
`inspection`       `inspect`, the entry point: all metrics of a network
`building`         the network to be counted, by name or of one layer
`result`           `Inspection`, its result
`listing`          network -> `graph.Graph`: from its layers, or from a traced graph
`graph`, `work`    operations and tensors; arithmetic by kind, and the conventions of counting it
`rule`             how one kind of layer or operation is analysed
`layers`           rules for Keras layers; `add_rule` adds one for a custom layer
`operations`       rules for TensorFlow operations
`count`            graph -> MACs, FLOPs, parameters and depth
`inference_memory` graph -> activation memory of inference, and the largest batch that fits
`training_memory`  graph -> activation memory of training
`receptive_field`  graph -> receptive fields
`keras_api`        what Keras 2 and Keras 3 do differently; also `keras_calls`, `keras_settings`,
                   `inputs`, `weightless`, `shape_errors`
================== ==============================================================================
"""

from cnnbench.analysis.inspection import check_options, inspect, inspect_layer
from cnnbench.analysis.keras_api import is_keras2
from cnnbench.analysis.keras_settings import standard_keras, use_standard_keras
from cnnbench.analysis.layers.rules import add_rule
from cnnbench.analysis.result import Inspection
from cnnbench.analysis.rule import Rule, Storage
from cnnbench.analysis.shape_errors import full_tracebacks, refusal
from cnnbench.analysis.weightless import weightless
from cnnbench.analysis.work import CONVENTIONS, Work

__all__ = [
    "CONVENTIONS",
    "Inspection",
    "Rule",
    "Storage",
    "Work",
    "add_rule",
    "check_options",
    "full_tracebacks",
    "inspect",
    "inspect_layer",
    "is_keras2",
    "refusal",
    "standard_keras",
    "use_standard_keras",
    "weightless",
]
