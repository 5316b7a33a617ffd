"""Roofline: the FLOP/s that networks reach, below those that the machine allows.

Across is the arithmetic intensity: FLOPs per byte of weights and activations. A network in the
slope of the roof waits for memory, one below the flat part for arithmetic; the distance to the roof
is what its runtime leaves unused (Williams, Waterman and Patterson, 2009).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnnbench.plots import numbers, theme
from cnnbench.plots.numbers import NothingToDraw, Quantity, named
from cnnbench.results import peaks
from cnnbench.results.peaks import Peak, rate_text
from cnnbench.results.tables import Run
from cnnbench.statistics.measurement import Measurement
from cnnbench.text import plural
from cnnbench.units import rounded

if TYPE_CHECKING:
    import altair as alt

MISSING_PEAKS = (
    "no peaks of the machine are kept; type `cnnbench doctor` there (with --results where runs are "
    "in another folder than results), then make the page again"
)
_RATE, _ACHIEVED = "throughput_per_s", "achieved_flops_per_s"
_WEIGHTS, _ACTIVATIONS = "weight_bytes", "activation_sum_bytes"
_COUNT = "'count'"  # as an expression
_ROOM = 2.0  # factor between the outermost networks and the ends of the roof


def roofline(run: Run) -> alt.LayerChart:
    """Return the roofline plot of a run: each network as a point by runtime, on the CPU.

    Raises:
        UserError: no network has a latency, FLOPs and bytes, or no peaks of its machine are kept.
    """
    points = list(_points(run))
    if not points:
        raise NothingToDraw(
            "no network has a latency on the CPU, FLOPs and bytes",
            "roofline",
            "a suite needs the probes latency and static",
        )
    roofs = known(run)
    if not roofs:
        raise NothingToDraw(MISSING_PEAKS, "roofline")
    return _chart(points, list(_roofs(roofs, points)))


def is_without_peaks(run: Run) -> bool:
    """Return whether a run has points for a roofline, but its machine no peaks."""
    return not known(run) and any(True for _ in _points(run))


def known(run: Run) -> list[Peak]:
    """Return the peaks that are kept of the machine of a run."""
    fingerprint = run.environment.get("fingerprint")
    if not isinstance(fingerprint, Mapping):
        return []
    return peaks.known(peaks.results_of(run.path), fingerprint)


def _points(run: Run) -> Iterator[dict[str, Any]]:
    found = numbers.quantities(run.measured)
    # The achieved FLOP/s are computed from the rates, which know their axes.
    axes = {q.setting: q.axes for q in named(found, _RATE)}
    for achieved in named(found, _ACHIEVED):
        known_axes = axes.get(achieved.setting, {})
        if known_axes.get("device") != "cpu" or "dtype" in known_axes:
            continue
        batch = int(known_axes.get("batch", "b1").removeprefix("b"))
        for place, row in enumerate(run.measured.rows):
            rate, flops = achieved.numbers[place], row.get("flops").value
            bytes_ = _bytes(found, place, batch)
            if rate is not None and rate.value and flops and bytes_:
                intensity = batch * flops / bytes_
                yield _point(row.name, achieved, rate, intensity)


def _bytes(found: Sequence[Quantity], place: int, batch: int) -> float | None:
    """Return the bytes of the weights and of all layers' outputs for a batch; None if unknown."""
    weights = [q.numbers[place] for q in named(found, _WEIGHTS)]
    outputs = {
        int(q.setting.removeprefix("b")): number.value
        for q in named(found, _ACTIVATIONS)
        if (number := q.numbers[place]) is not None and number.value
    }
    if not weights or weights[0] is None or not weights[0].value or not outputs:
        return None
    size = batch if batch in outputs else min(outputs)
    return weights[0].value + outputs[size] * batch / size


def _point(network: str, achieved: Quantity, rate: Measurement, intensity: float) -> dict[str, Any]:
    cell = achieved.cell(rate)
    cell.pop("fact")
    facts = {
        achieved.setting: rate_text(rate.value or 0.0, "FLOP"),
        "FLOPs per byte": f"{intensity:.3g}",
    }
    return {
        "network": network,
        "series": achieved.setting,
        "intensity": rounded(intensity),
        **cell,
        "fact": facts,
    }


def _roofs(found: Sequence[Peak], points: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the corners of the roof of each number of threads, from left to right."""
    ridges = [peak.flops_per_s / peak.bytes_per_s for peak in found]
    inside = [*(point["intensity"] for point in points), *ridges]
    low, high = min(inside) / _ROOM, max(inside) * _ROOM
    highest = max(peak.flops_per_s for peak in found)
    for peak, ridge in zip(found, ridges, strict=True):
        rates = rate_text(peak.flops_per_s, "FLOP"), rate_text(peak.bytes_per_s, "B")
        words = f"{plural(peak.threads, 'thread')}: {', '.join(rates)}"
        for intensity in (low, ridge, high):
            yield {
                "roof": words,
                "intensity": rounded(intensity),
                "value": rounded(peak.reached(intensity)),
                # Names do not overlap: that of the highest roof stands over it, others below.
                "named": "" if intensity < high else _place(peak.flops_per_s == highest),
            }


def _place(is_highest: bool) -> str:
    return "above" if is_highest else "below"


def _chart(points: list[dict[str, Any]], roofs: list[dict[str, Any]]) -> alt.LayerChart:
    import altair as alt

    across = alt.X("intensity:Q").scale(type="log", nice=False, padding=20)
    across = across.axis(
        labelExpr="format(datum.value, '.3~r')",
        tickCount=6,
        labelOverlap=True,
        title="FLOPs per byte",
    )
    up = alt.Y("value:Q").scale(type="log", nice=False, padding=24)
    up = up.axis(
        labelExpr=f"({numbers.tick_label(_COUNT)}) + 'FLOP/s'",
        tickCount=6,
        labelOverlap=True,
        title=None,
    )
    roof = alt.Chart(alt.Data(values=roofs)).encode(x=across, y=up)
    colour = alt.Fill("series:N", sort=None).legend(columns={"expr": "max(1, floor(width / 260))"})
    spoken = "datum.network + (datum.doubtful ? ', doubtful' : '') + ': ' + datum.series"
    return (
        alt.LayerChart(
            layer=[
                roof.mark_line(strokeWidth=1.5, strokeDash=[5, 4], aria=False).encode(
                    detail="roof:N"
                ),
                *(
                    roof.transform_filter(f"datum.named == '{_place(is_highest)}'")
                    .mark_text(align="right", baseline="bottom" if is_highest else "top", dy=dy)
                    .encode(text="roof:N")
                    for is_highest, dy in ((True, -4), (False, 5))
                ),
                alt.Chart(alt.Data(values=points))
                .mark_point(
                    filled=True,
                    size=70,
                    strokeWidth=2,
                    fillOpacity={"expr": "datum.doubtful ? 0 : 1"},
                    tooltip={"expr": "merge({title: datum.network}, datum.fact)"},
                    description={"expr": spoken},
                )
                .encode(
                    x=across,
                    y=up,
                    fill=colour,
                    stroke=alt.Stroke("series:N", sort=None).legend(None),
                ),
            ]
        )
        .properties(width=640, height=340, usermeta={"isLogarithmic": True})
        .configure(**theme.config())
    )
