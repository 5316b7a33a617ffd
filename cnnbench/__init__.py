"""Measure convolutional networks on your machine, in your runtime, and choose one.

The names in ``__all__`` are the public API; ``docs/api.md`` shows each of them in use. They are
loaded at first use, so that ``import cnnbench`` imports neither TensorFlow nor pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnbench import plots
    from cnnbench.analysis import Inspection, Rule, Work, add_rule, inspect
    from cnnbench.api.export import export
    from cnnbench.api.predict import Predictions, predict
    from cnnbench.api.run import run
    from cnnbench.api.runs import Run, load
    from cnnbench.errors import CnnbenchError, JobFailed, Unavailable, UserError, UserErrors
    from cnnbench.models.fcn import to_fcn
    from cnnbench.models.registry import register
    from cnnbench.record import Record
    from cnnbench.results.report import Report
    from cnnbench.row import Row
    from cnnbench.selection.choose import Candidate, Choice, choose
    from cnnbench.selection.compare import Comparison, compare
    from cnnbench.selection.history import History, history
    from cnnbench.statistics.measurement import Measurement
    from cnnbench.statistics.verdict import Verdict

__version__ = "0.2.0"

_MODULES = {
    "cnnbench.analysis": ("Inspection", "Rule", "Work", "add_rule", "inspect"),
    "cnnbench.api.export": ("export",),
    "cnnbench.api.predict": ("Predictions", "predict"),
    "cnnbench.api.run": ("run",),
    "cnnbench.api.runs": ("Run", "load"),
    "cnnbench.errors": ("CnnbenchError", "JobFailed", "Unavailable", "UserError", "UserErrors"),
    "cnnbench.models.fcn": ("to_fcn",),
    "cnnbench.models.registry": ("register",),
    "cnnbench.record": ("Record",),
    "cnnbench.results.report": ("Report",),
    "cnnbench.row": ("Row",),
    "cnnbench.selection.choose": ("Candidate", "Choice", "choose"),
    "cnnbench.selection.compare": ("Comparison", "compare"),
    "cnnbench.selection.history": ("History", "history"),
    "cnnbench.statistics.measurement": ("Measurement",),
    "cnnbench.statistics.verdict": ("Verdict",),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Candidate",
    "Choice",
    "CnnbenchError",
    "Comparison",
    "History",
    "Inspection",
    "JobFailed",
    "Measurement",
    "Predictions",
    "Record",
    "Report",
    "Row",
    "Rule",
    "Run",
    "Unavailable",
    "UserError",
    "UserErrors",
    "Verdict",
    "Work",
    "__version__",
    "add_rule",
    "choose",
    "compare",
    "export",
    "history",
    "inspect",
    "load",
    "plots",
    "predict",
    "register",
    "run",
    "to_fcn",
]


def __getattr__(name: str) -> Any:
    if name == "plots":
        return importlib.import_module("cnnbench.plots")
    if name not in _WHERE:
        raise AttributeError(f"module 'cnnbench' has no attribute '{name}'")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
