"""Parsing and formatting of quantities: durations, sizes, counts and fractions.

All values are in base units (seconds, bytes, plain numbers, fractions of one); text is parsed and
formatted only where it enters or leaves the program. MB is 10**6 bytes, MiB is 2**20.
"""

from __future__ import annotations

import math
import re
from typing import Any, Literal

from cnnbench.errors import UserError, shown

Unit = Literal["s", "bytes", "count", "fraction", "px", "per_s", "ratio"]

_SUFFIXES: dict[str, dict[str, float]] = {
    "s": {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600},
    "bytes": {
        "B": 1,
        "kB": 1e3,
        "KB": 1e3,
        "MB": 1e6,
        "GB": 1e9,
        "TB": 1e12,
        "KiB": 2**10,
        "MiB": 2**20,
        "GiB": 2**30,
        "TiB": 2**40,
    },
    "count": {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12},
    "fraction": {"": 1, "%": 0.01},
    "px": {"": 1, "px": 1},
    "per_s": {"": 1, "/s": 1},
    "ratio": {"": 1, "x": 1, "%": 0.01},
}
_EXAMPLES = {
    "s": "20ms, 1.5s, 10min",
    "bytes": "10MB, 2GiB",
    "count": "4M, 300000",
    "fraction": "5%, 0.92",
    "px": "224px",
    "per_s": "100/s",
    "ratio": "1.1, 110%",
}
_LONGEST = 100
_MOST_WHOLE = 1e15  # up to about here a double represents every whole number
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S*)\s*")


def parse(text: str | float, unit: Unit, where: str = "") -> float:
    """Return ``text`` (``'20ms'``, ``'10MB'``, ``'5%'``, or a bare number) in base units.

    Text without a unit is rejected for seconds and bytes: ``20`` could mean 20 s or 20 ms.

    Raises:
        UserError: not a finite number, or not a unit of this kind.
    """

    def rejected(what: str) -> UserError:
        return UserError(f"{shown(text)} {what}", where, f"write for example {_EXAMPLES[unit]}")

    if isinstance(text, bool):
        raise rejected("is not a quantity")
    if isinstance(text, int | float):
        digits, suffix = text, "s" if unit == "s" else "B" if unit == "bytes" else ""
    else:
        match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
        if not match:
            raise rejected("is not a quantity")
        digits, suffix = float(match[1]), match[2]
    factor = _SUFFIXES[unit].get(suffix)
    if factor is None:
        raise rejected("has no unit that fits")
    value = number(digits)
    if value is None or not math.isfinite(value * factor):
        raise rejected("is not a finite number")
    return value * factor


def number(cell: Any) -> float | None:
    """Return a table cell as a finite number, or None if it is blank or not a finite number."""
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def rounded(value: float) -> float:
    """Return ``value`` rounded to nine significant digits; whole numbers stay exact.

    Processors differ in the last of a double's sixteen digits (vectorised logarithms, fused
    multiply-add). Values are rounded before they are written, shown or compared, so that tables
    are the same everywhere.
    """
    value = float(value)
    return value if _is_whole(value) else float(f"{value:.9g}")


def written(value: float) -> str:
    """Return ``value``, `rounded`, as text: ``4253864`` or ``0.276622121``."""
    value = rounded(value)
    return f"{int(value)}" if _is_whole(value) else f"{value:.9g}"


def _is_whole(value: float) -> bool:
    return abs(value) < _MOST_WHOLE and value.is_integer()


def show(value: float | None, unit: Unit) -> str:
    """Return ``value`` as text for people, with three significant digits; '' for None or NaN."""
    if value is None or math.isnan(value):
        return ""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if unit in SCALES:
        return _scaled(value, SCALES[unit])
    if unit == "per_s":
        return _scaled(value, SCALES["count"]) + " /s"
    if unit == "fraction":
        return f"{100 * value:.1f} %"
    if unit == "px":
        return f"{value:.0f} px"
    return f"{value:.3g}"


def show_duration(seconds: float) -> str:
    """Return an estimated duration for people, without digits that an estimate lacks: ``6 min``."""
    if seconds < 99.5:
        return f"{max(1, round(seconds)) if seconds else 0} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 99.5 else f"{minutes / 60:.1f} h"


SCALES: dict[str, list[tuple[float, str]]] = {
    "s": [(3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")],
    "bytes": [(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B")],
    "count": [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1, "")],
}


def _scaled(value: float, scales: list[tuple[float, str]]) -> str:
    factor, name = next(
        ((factor, name) for factor, name in scales if abs(value) >= factor), scales[-1]
    )
    scaled = value / factor
    text = f"{scaled:,.0f}" if scaled.is_integer() or scaled >= 1000 else _three_digits(scaled)
    return f"{text} {name}".rstrip()


def _three_digits(value: float) -> str:
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"


def exact_bytes(size: int) -> str:
    """Return ``size`` exactly, in the unit that needs the fewest digits: ``2GiB``, ``500MB``."""
    units = [(factor, name) for name, factor in _SUFFIXES["bytes"].items() if name != "KB"]
    whole = [(size // int(factor), name) for factor, name in units if size % int(factor) == 0]
    count, name = min(whole)
    return f"{count}{name}"
