"""The card beside a weights file that a run keeps: whose weights they are, and of which training.

The card of ``seed-0.weights.h5`` is ``seed-0.json``; that of the compression probe's weights is
``network.json``. A weights file itself holds arrays and nothing else.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnnbench import files, safe_json

_ENDING = ".weights.h5"
_OF_COMPRESSION = "network.json"
_HASH = "weights_file_sha256"
_LARGEST = 4 * 2**20  # bytes


def write(weights: Path, facts: Mapping[str, Any]) -> None:
    """Write the card of a weights file.

    Args:
        weights: the file, which is written already.
        facts: ``model``, ``input_shape``, ``class_names``, ``training``, ... as JSON values.
    """
    card = {**facts, _HASH: files.sha256(weights)}
    files.replace_text(_beside(weights), json.dumps(card, indent=1, allow_nan=False))


def read(weights: Path) -> dict[str, Any]:
    """Return the card of a weights file; empty if it has none, or one of other weights."""
    card = _object(_beside(weights))
    if card.get(_HASH) == files.sha256(weights):
        return card
    return _object(weights.with_name(_OF_COMPRESSION))


def class_names(weights: Path) -> tuple[str, ...]:
    """Return the names of the classes that the weights were trained for; () if unknown."""
    names = read(weights).get("class_names")
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if isinstance(names, list) and is_list else ()


def _beside(weights: Path) -> Path:
    return weights.with_name(f"{weights.name.removesuffix(_ENDING)}.json")


def _object(file: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        if file.stat().st_size <= _LARGEST:
            found = safe_json.loads(file.read_text(encoding="utf-8"))
            if isinstance(found, dict):
                return found
    return {}
