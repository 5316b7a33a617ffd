"""The part of MLflow that docs/ci.md uses: it checks what is logged as MLflow does, and prints."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_LONGEST_KEY = 250


@contextmanager
def start_run(*, run_name: str, tags: Mapping[str, str]) -> Iterator[None]:
    assert all(isinstance(value, str) for value in tags.values())
    print("run:", run_name)
    yield


def log_metrics(metrics: Mapping[str, float]) -> None:
    """Raise for a name that `mlflow.utils.validation` rejects, or a value that is no float."""
    for key, value in metrics.items():
        if not re.fullmatch(r"[\w.\- /]+", key, re.ASCII) or len(key) > _LONGEST_KEY:
            raise ValueError(f"Invalid metric name: '{key}'")
        path = posixpath.normpath(key)
        if path != key or path == "." or path.startswith(("..", "/")):
            raise ValueError(f"Invalid metric name: '{key}': not a unique path")
        if not isinstance(value, float):
            raise TypeError(f"{key} is {value!r}")
    print("metrics:", ", ".join(list(metrics)[:3]))
