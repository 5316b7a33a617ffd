"""The runtimes: one file each, found by name. A new one is one file with a class ``Runtime``."""

from __future__ import annotations

import importlib

from cnnbench.probes.latency.runtimes.base import CallPath


def find(name: str) -> type[CallPath]:
    """The call path of that name; its module is imported only now."""
    found: type[CallPath] = importlib.import_module(
        f"cnnbench.probes.latency.runtimes.{name}"
    ).Runtime
    return found


__all__ = ["CallPath", "find"]
