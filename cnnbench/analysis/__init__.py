"""Counted, never timed: MACs, FLOPs, parameters, activation memory and receptive field.

``inspect`` is the way in. The engine (``walk``) turns a Keras model into a flat list of
operations, a table (``rules``) says how to analyse each kind, small pure functions do the
arithmetic, and what has no rule is traced (``trace``) or named.
"""

from cnnbench.analysis.inspection import check_options, inspect, inspect_layer
from cnnbench.analysis.keras_api import is_keras2
from cnnbench.analysis.keras_settings import standard_keras, use_standard_keras
from cnnbench.analysis.layer_spec import one_layer_model
from cnnbench.analysis.result import Inspection
from cnnbench.analysis.shape_errors import full_tracebacks, refusal
from cnnbench.analysis.weightless import weightless
from cnnbench.analysis.work import CONVENTIONS

__all__ = [
    "CONVENTIONS",
    "Inspection",
    "check_options",
    "full_tracebacks",
    "inspect",
    "inspect_layer",
    "is_keras2",
    "one_layer_model",
    "refusal",
    "standard_keras",
    "use_standard_keras",
    "weightless",
]
