"""JSON that every reader accepts and every file can hold: finite numbers, valid Unicode.

Use it for JSON from elsewhere (journals, cards, a user's archive) and for JSON that is written for
others. A lone surrogate, which is how Python represents a byte of a file name that is not UTF-8,
cannot be encoded: it becomes the text ``\\udce9``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cnnbench.units import written


def dumps(value: Any) -> str:
    """Return ``value`` as one line of JSON; a number that is not finite becomes null."""
    return json.dumps(_each(value, _writable), separators=(",", ":"), ensure_ascii=False)


def as_table(value: Any) -> str:
    """Return ``value`` as indented JSON with its numbers rounded as in tables (`units.rounded`).

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(_each(value, _rounded), indent=2, allow_nan=False)


def loads(text: str) -> Any:
    """Return the value of the JSON document ``text``.

    Raises:
        ValueError: not valid JSON (``NaN`` and ``Infinity`` are not), or nested too deeply.
    """
    try:
        value = json.loads(text, parse_constant=_reject_constant)
        # In text that was decoded from UTF-8, only an escape can produce a lone surrogate.
        return _each(value, _encodable) if "\\u" in text else value
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return ``value`` with ``change`` applied to every leaf and every name in it."""
    if isinstance(value, dict):
        return {change(str(name)): _each(item, change) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_each(item, change) for item in value]
    return change(value)


def _writable(leaf: Any) -> Any:
    if isinstance(leaf, float):
        return leaf if leaf - leaf == 0 else None
    return _encodable(leaf)


def _rounded(leaf: Any) -> Any:
    if not isinstance(leaf, float):
        return leaf
    text = written(leaf)
    return int(text) if text.lstrip("-").isdigit() else float(text)


def _encodable(leaf: Any) -> Any:
    return leaf.encode("utf-8", "backslashreplace").decode() if isinstance(leaf, str) else leaf


def _reject_constant(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")
