"""JSON that any reader takes and any file holds: only finite numbers and whole characters.

Half a character (a surrogate alone) is how Python reads a file's name that is not UTF-8. It has
no bytes, so that it can neither be written nor shown: it becomes the text ``\\udce9``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cnnbench.units import written


def dumps(value: Any) -> str:
    """One line of JSON; a number that is not finite becomes null."""
    return json.dumps(_each(value, _writable), separators=(",", ":"), ensure_ascii=False)


def as_table(value: Any) -> str:
    """JSON over many lines, for people and programs, its numbers as every table has them.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(_each(value, _rounded), indent=2, allow_nan=False)


def loads(text: str) -> Any:
    """What ``text`` says.

    Raises:
        ValueError: not JSON (``NaN`` and ``Infinity`` are none).
        RecursionError: nested too deeply.
    """
    value = json.loads(text, parse_constant=_no_number)
    # Only an escape can bring half a character into text that was read as UTF-8.
    return _each(value, _whole) if "\\u" in text else value


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    """``value`` with ``change`` made to every leaf and every name in it."""
    if isinstance(value, dict):
        return {change(str(name)): _each(item, change) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_each(item, change) for item in value]
    return change(value)


def _writable(leaf: Any) -> Any:
    if isinstance(leaf, float):
        return leaf if leaf - leaf == 0 else None
    return _whole(leaf)


def _rounded(leaf: Any) -> Any:
    if not isinstance(leaf, float):
        return leaf
    text = written(leaf)
    return int(text) if text.lstrip("-").isdigit() else float(text)


def _whole(leaf: Any) -> Any:
    return leaf.encode("utf-8", "backslashreplace").decode() if isinstance(leaf, str) else leaf


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")
