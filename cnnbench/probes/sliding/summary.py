"""Meaning of a comparison of the ``sliding`` probe, in words: computed from its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnbench.record import Record
from cnnbench.row import Row

COLUMN = "sliding_note"
EQUAL = 1e-5
"""Outputs that differ by at most this are equal: float32 sums in another order."""
_MOST_NAMES = 3


def is_border(found: Any) -> bool:
    """Return whether a detail of a record is that of `models.fcn.sliding.Border`."""
    return isinstance(found, Mapping) and all(
        isinstance(found.get(name), list) and all(isinstance(one, str) for one in found[name])
        for name in ("padded", "pooled")
    )


def columns(rows: Sequence[Row], records: Sequence[Sequence[Record]]) -> list[dict[str, str]]:
    """Return for each row of a report with a comparison what it found; nothing for other rows."""
    found: list[dict[str, str]] = []
    for of_row in records:
        compared = [one for one in of_row if one.probe == "sliding" and one.status == "ok"]
        found.append({COLUMN: _words(compared[-1])} if compared else {})
    return found


def _words(record: Record) -> str:
    metrics, border = record.metrics, record.details.get("border") or {}
    largest = metrics.get("place_max_abs_diff") or 0.0
    if largest <= EQUAL:
        return (
            "the fully convolutional network gives the classifier's answer at every window of the "
            f"larger picture (largest difference {largest:.1e}): none of its layers pads its maps"
        )
    same = metrics.get("place_agreement")
    share = "" if same is None else f", the same class in {100 * same:.0f} % of the windows"
    return (
        f"answers differ from the classifier's on crops by up to {largest:.2g}{share}: "
        f"{_causes(border)}"
    )


def _causes(border: Mapping[str, Sequence[str]]) -> str:
    padded, pooled = border.get("padded", ()), border.get("pooled", ())
    causes = []
    if padded:
        causes.append(
            f"{_listed(padded)} pad their maps, so that a crop has zeros at its border where the "
            "larger picture goes on"
        )
    if pooled:
        causes.append(f"{_listed(pooled)} pool the whole picture where a crop pools itself")
    return "; ".join(causes) or "the cause is not known"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more layers" if more > 0 else "")
