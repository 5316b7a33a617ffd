"""Facts about networks, found in a process of its own by Keras 2.

``TF_USE_LEGACY_KERAS`` chooses the generation of Keras while TensorFlow is imported.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TypeVar, get_type_hints

from tests.conftest import ROOT

Facts = TypeVar("Facts")


def in_keras_2(find: Callable[..., Facts], cases: Iterable[tuple[str, ...]]) -> list[Facts]:
    """Return ``find(*case)`` for every case, all found in one process.

    Args:
        find: a function of a module; its return type is a dataclass of what JSON can hold.
        cases: its arguments.
    """
    command = [sys.executable, "-m", __name__, find.__module__, find.__qualname__]
    done = subprocess.run(
        [*command, json.dumps(list(cases))], env={**os.environ, "TF_USE_LEGACY_KERAS": "1"},
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    kind: type[Facts] = get_type_hints(find)["return"]
    return [kind(**facts) for facts in json.loads(done.stdout)]


def _main(module: str, name: str, cases: str) -> None:
    import tensorflow as tf

    find = getattr(importlib.import_module(module), name)
    found = []
    for case in json.loads(cases):
        found.append(asdict(find(*case)))
        tf.keras.backend.clear_session()
    print(json.dumps(found))


if __name__ == "__main__":
    _main(*sys.argv[1:])
