"""Budgets compared with results; for an exceeded one, the layers responsible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING

from cnnbench import metrics, units
from cnnbench.errors import UserError, nearest
from cnnbench.metrics import METRICS, column, family, short_name
from cnnbench.results.report import Report
from cnnbench.statistics import estimates
from cnnbench.statistics.measurement import Measurement, comparable

if TYPE_CHECKING:
    from cnnbench.analysis import Inspection

_SHOWN = 5

Budgets = Mapping[str, str | float]


def broken_counts(found: Inspection, budgets: Budgets) -> Iterator[str]:
    """Yield a paragraph for each budget of a counted number that ``found`` exceeds.

    Raises:
        UserError: a budget for something that is not counted, or a unit that does not fit.
    """
    for name, text in budgets.items():
        metric = METRICS[_counted(name, found.metrics)]
        limit = units.parse(text, metric.unit, name)
        value = found.metrics[metric.name]
        if value > limit:
            lines = [_exceeded(metric.name, value, limit), *_layers(found, metric.name, limit)]
            yield "\n".join(lines)


def time_limits(budgets: Mapping[str, Budgets]) -> dict[str, dict[str, float]]:
    """``{"latency_p50": {"litert": "15ms"}}`` -> ``{"latency_p50_s": {"litert": 0.015}}``.

    Raises:
        UserError: an unknown or ambiguous latency, or a unit that does not fit.
    """
    return {
        metrics.resolve(metric, family("latency")): {
            runtime: units.parse(text, "s", f"{metric}[{runtime}]")
            for runtime, text in limits.items()
        }
        for metric, limits in budgets.items()
    }


def broken_times(
    report: Report, model: str, name: str, limits: Mapping[str, float]
) -> Iterator[tuple[str, bool]]:
    """Yield ``(message, certain)`` for each runtime whose time may be over its budget.

    A time is certainly over its budget if its whole interval is (with few rounds: every round),
    and within it if none of the interval is over. A missing time is over; the message says why.
    """
    unit = METRICS[name].unit
    for runtime, limit in limits.items():
        found = timed(report, model, name, runtime)
        if found.value is None:
            yield f"{runtime}: {name} has no value: {found.why_absent}", True
            continue
        rounds = found.samples or (found.value,)
        low = min(rounds) if found.low is None else found.low
        high = max(rounds) if found.high is None else found.high
        if found.value > limit:
            yield f"{runtime}: {_exceeded(name, found.value, limit)}", low > limit
        elif high > limit:
            shown, highest, allowed = (units.show(x, unit) for x in (found.value, high, limit))
            words = f"{name} is {shown}, within {allowed}, but its interval reaches {highest}"
            yield f"{runtime}: {words}", False


def broken_ratio(
    report: Report, model: str, reference_model: str, runtimes: Iterable[str], limit: float
) -> Iterator[tuple[str, bool]]:
    """Yield ``(message, certain)`` for each runtime whose `ratio` may be over ``limit``."""
    for runtime in runtimes:
        found = ratio(report, model, reference_model, runtime)
        if found.high > limit:
            message = (
                f"{runtime}: takes {found.value:.2f} times as long as {reference_model} "
                f"({found.low:.2f} to {found.high:.2f}); the limit is {limit:g} times"
            )
            yield message, found.low > limit


def ratio(report: Report, model: str, reference_model: str, runtime: str) -> estimates.Estimate:
    """Return ``model``'s latency ÷ ``reference_model``'s, drift-corrected."""
    ours, theirs = (
        timed(report, name, family("latency")[0], runtime) for name in (model, reference_model)
    )
    base, new = comparable(theirs, ours)
    (found,) = estimates.compare([(base, new)])
    return estimates.Estimate(found.ratio, found.low, found.high)


def timed(report: Report, model: str, metric: str, runtime: str) -> Measurement:
    """Return a latency of ``model`` at batch 1 on the CPU."""
    row = next(row for row in report if row.model == model)
    return row.read(column(metric, f"cpu/{runtime}/b1"))


def _counted(name: str, found: Mapping[str, float]) -> str:
    for metric in found:
        if name in (metric, short_name(metric)):
            return metric
    valid = [short_name(metric) for metric in found]
    raise UserError(
        f"no budget is known for '{name}'",
        hint=nearest(name, valid) or "one of: " + ", ".join(valid),
    )


def _exceeded(name: str, value: float, limit: float) -> str:
    unit = METRICS[name].unit
    shown, allowed = units.show(value, unit), units.show(limit, unit)
    if limit and value > 2 * limit:
        return f"{name} is {shown}, {value / limit:,.1f} times the {allowed} allowed"
    share = f" ({100 * (value / limit - 1):.1f} %)" if limit else ""
    return f"{name} is {shown}, {units.show(value - limit, unit)}{share} over {allowed}"


def _layers(found: Inspection, name: str, limit: float) -> Iterator[str]:
    """Yield the layer at which the limit is passed, and the largest layers."""
    field = METRICS[name].layer_field
    if not field:
        return
    values = [int(getattr(row, field)) for row in found.rows]
    # The inference peak is of all layers alive at one moment.
    is_peak, whole = field == "live_bytes", sum(values)
    if is_peak:
        yield f"  peak at layer '{found.peak_layer}'; largest layers:"
    else:
        # The layers' parameters stand for the bytes of their weights too.
        shares = accumulate(value / whole for value in values) if whole else iter(())
        passed = next((i for i, s in enumerate(shares) if s * found.metrics[name] > limit), -1)
        yield f"  limit exceeded at layer '{found.rows[passed].name}'; largest layers:"
    unit = "count" if field == "params" else METRICS[name].unit
    for value, row in sorted(zip(values, found.rows, strict=True), key=itemgetter(0), reverse=True)[
        :_SHOWN
    ]:
        share = "" if is_peak or not whole else f"{100 * value / whole:5.1f} %  "
        yield f"    {share}{units.show(value, unit):>9}  {row.name} ({row.type})"
