"""Measure convolutional networks on your machine, in your runtime, and choose one.

The public API, loaded at first use so that ``import cnnbench`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnbench.api import inspect
    from cnnbench.models.registry import register
    from cnnbench.report.choose import choose
    from cnnbench.report.compare import compare
    from cnnbench.store.tables import load

__version__ = "0.2.0"

_WHERE = {
    "inspect": "cnnbench.api",
    "register": "cnnbench.models.registry",
    "load": "cnnbench.store.tables",
    "choose": "cnnbench.report.choose",
    "compare": "cnnbench.report.compare",
}

__all__ = ["__version__", "choose", "compare", "inspect", "load", "register"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'cnnbench' has no attribute '{name}'")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
