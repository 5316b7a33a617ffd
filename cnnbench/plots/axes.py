"""Numbers on axes, written as everywhere else: the scales are those of `cnnbench.units`."""

from __future__ import annotations

from typing import Any

from cnnbench.errors import UserError
from cnnbench.units import SCALES


class NothingToDraw(UserError):
    """A run has no numbers of the kind that a chart shows."""


def tick_label(unit: str) -> str:
    """Return the Vega expression that writes a tick's value in its unit: ``1.5 ms``, ``4 MB``.

    ``unit`` is itself an expression, so that it may follow the reader's choice: ``'"bytes"'`` or
    ``axes[across].unit``.
    """
    value = "datum.value"
    chosen = f"format({value}, '.3~g')"
    cases = {name: _scaled(value, scales) for name, scales in SCALES.items()}
    cases["per_s"] = f"{cases['count']} + ' /s'"
    cases["fraction"] = f"format(100 * {value}, '.3~f') + ' %'"
    cases["px"] = f"format({value}, '.0f') + ' px'"
    for name, text in cases.items():
        chosen = f"{unit} == '{name}' ? {text} : {chosen}"
    return chosen


def _scaled(value: str, scales: list[tuple[float, str]]) -> str:
    *larger, (factor, name) = scales
    text = _in(value, factor, name)
    for factor, name in reversed(larger):
        text = f"abs({value}) >= {factor!r} ? {_in(value, factor, name)} : {text}"
    return f"({value} == 0 ? '0' : {text})"


def _in(value: str, factor: float, name: str) -> str:
    return f"format({value} / {factor!r}, '.3~r') + '{' ' + name if name else ''}'"


def ends(low: str, high: str, of: str) -> dict[str, str]:
    """Return the calculations of an interval's ends; where there is none both are the value.

    A layer with no values at all would leave Vega without a scale.
    """
    return {
        low: f"isValid({of}.low) ? {of}.low : {of}.value",
        high: f"isValid({of}.high) ? {of}.high : {of}.value",
    }


def choice(name: str, title: str, options: list[str], labels: list[str], value: str) -> Any:
    """Return a parameter that the reader sets in a list; one option leaves nothing to set."""
    import altair as alt

    if len(options) < 2:
        return alt.param(name=name, value=value)
    box = alt.binding_select(options=options, labels=labels, name=title)
    return alt.param(name=name, value=value, bind=box)
