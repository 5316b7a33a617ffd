"""Measure convolutional networks on your machine, in your runtime, and choose one.

The public API, loaded at first use so that ``import cnnbench`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnbench.api import inspect
    from cnnbench.models.registry import register
    from cnnbench.results.tables import load
    from cnnbench.selection.choose import choose
    from cnnbench.selection.compare import compare

__version__ = "0.2.0"

_WHERE = {
    "inspect": "cnnbench.api",
    "register": "cnnbench.models.registry",
    "load": "cnnbench.results.tables",
    "choose": "cnnbench.selection.choose",
    "compare": "cnnbench.selection.compare",
}

__all__ = ["__version__", "choose", "compare", "inspect", "load", "register"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'cnnbench' has no attribute '{name}'")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
