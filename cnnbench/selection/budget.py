"""Budgets compared with results; for a broken one, the layers responsible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from cnnbench import metrics, units
from cnnbench.errors import UserError, nearest
from cnnbench.metrics import METRICS, QUALITY, column, family, short_name
from cnnbench.plugins import PROBES
from cnnbench.record import FLOAT32
from cnnbench.results.report import Report
from cnnbench.row import Row
from cnnbench.statistics import estimates
from cnnbench.statistics.measurement import Measurement, comparable

if TYPE_CHECKING:
    from cnnbench.analysis import Inspection

_SHOWN = 5
_OF_FILE = ("file_bytes", "file_gzip_bytes", "agreement", "sparsity", "coverage_macs")


@dataclass(frozen=True)
class Limits:
    """Budgets as numbers in base units, by the metric that each is for.

    A metric that is better when higher has a least value, any other a largest one.

    Attributes:
        counts: of what is counted without running the network.
        measured: of the converted file, and of its predictions for test images.
        times: of latencies, by runtime.
    """

    counts: Mapping[str, float]
    measured: Mapping[str, float]
    times: Mapping[str, Mapping[str, float]]

    @property
    def qualities(self) -> list[str]:
        """The metrics that need images of a data set."""
        return [name for name in self.measured if METRICS[name].is_of_images or name in QUALITY]


def limits(budgets: Mapping[str, Any]) -> Limits:
    """Read ``{"params": "4M", "top1": 0.9, "latency_p50": {"litert": "15ms"}}``.

    Raises:
        UserError: an unknown or ambiguous metric, an empty budget, or a unit that does not fit.
    """
    counted = [one.name for one in PROBES["static"].metrics if not one.is_published]
    timed = family("latency")
    counts: dict[str, float] = {}
    measured: dict[str, float] = {}
    times: dict[str, dict[str, float]] = {}
    for name, budget in budgets.items():
        if isinstance(budget, Mapping):
            metric = metrics.resolve(name, timed)
            if not budget:
                raise UserError(f"{name}: no runtime has a limit", hint='write {"litert": "15ms"}')
            of_runtime = {key: units.parse(x, "s", f"{name}[{key}]") for key, x in budget.items()}
            times[metric] = of_runtime
            continue
        metric = _metric(name, [*counted, *_OF_FILE, *QUALITY, *timed])
        if metric in timed:
            raise UserError(
                f"{name}: {budget!r} is for no runtime", hint=f'write {{"litert": {budget!r}}}'
            )
        into = counts if metric in counted else measured
        into[metric] = units.parse(budget, METRICS[metric].unit, name)
    return Limits(counts, measured, times)


def broken_counts(found: Inspection, counts: Mapping[str, float]) -> Iterator[str]:
    """Yield a paragraph for each budget of a counted number that ``found`` breaks."""
    for name, limit in counts.items():
        value = found.metrics[name]
        if value > limit:
            yield "\n".join([_broken(name, value, limit), *_layers(found, name, limit)])


def broken_numbers(
    report: Report, model: str, variant: str, measured: Mapping[str, float]
) -> Iterator[str]:
    """Yield a sentence for each budget of a measured number that a row of ``report`` breaks.

    A number that is missing breaks its budget; the sentence says why it is missing.
    """
    row = _row(report, model, variant)
    for name, limit in measured.items():
        column_ = next((each for each in row.values if metrics.split(each)[0] == name), name)
        found = row.read(column_)
        if found.value is None:
            yield f"{short_name(name)} has no value: {found.why_absent}"
        elif found.value < limit if METRICS[name].better == "higher" else found.value > limit:
            yield _broken(name, found.value, limit)


def broken_times(
    report: Report, model: str, name: str, limits: Mapping[str, float], variant: str = FLOAT32
) -> Iterator[tuple[str, bool]]:
    """Yield ``(message, certain)`` for each runtime whose time may be over its budget.

    A time is certainly over its budget if its whole interval is (with few rounds: every round),
    and within it if none of the interval is over. A missing time is over; the message says why.
    """
    unit = METRICS[name].unit
    for runtime, limit in limits.items():
        found = timed(report, model, name, runtime, variant)
        if found.value is None:
            yield f"{runtime}: {short_name(name)} has no value: {found.why_absent}", True
            continue
        rounds = found.samples or (found.value,)
        low = min(rounds) if found.low is None else found.low
        high = max(rounds) if found.high is None else found.high
        if found.value > limit:
            yield f"{runtime}: {_broken(name, found.value, limit)}", low > limit
        elif high > limit:
            shown, highest, allowed = (units.show(x, unit) for x in (found.value, high, limit))
            words = f"{short_name(name)} is {shown}, within the budget of {allowed}"
            yield f"{runtime}: {words}, but its interval reaches {highest}", False


def broken_ratio(
    report: Report,
    model: str,
    reference_model: str,
    runtimes: Iterable[str],
    limit: float,
    variant: str = FLOAT32,
) -> Iterator[tuple[str, bool]]:
    """Yield ``(message, certain)`` for each runtime whose `ratio` may be over ``limit``."""
    for runtime in runtimes:
        found = ratio(report, model, reference_model, runtime, variant)
        if found.high > limit:
            message = (
                f"{runtime}: takes {found.value:.2f} times as long as {reference_model} "
                f"({found.low:.2f} to {found.high:.2f}); the limit is {limit:g} times"
            )
            yield message, found.low > limit


def ratio(
    report: Report, model: str, reference_model: str, runtime: str, variant: str = FLOAT32
) -> estimates.Estimate:
    """Return the latency of ``model``'s variant ÷ ``reference_model``'s, drift-corrected."""
    location = family("latency")[0]
    ours = timed(report, model, location, runtime, variant)
    theirs = timed(report, reference_model, location, runtime)
    base, new = comparable(theirs, ours)
    (found,) = estimates.compare([(base, new)])
    return estimates.Estimate(found.ratio, found.low, found.high)


def timed(
    report: Report, model: str, metric: str, runtime: str, variant: str = FLOAT32
) -> Measurement:
    """Return a latency of ``model`` at batch 1 on the CPU."""
    return _row(report, model, variant).read(column(metric, f"cpu/{runtime}/b1"))


def _row(report: Report, model: str, variant: str) -> Row:
    return next(row for row in report if (row.model, row.variant) == (model, variant))


def _metric(name: str, valid: Sequence[str]) -> str:
    found = next((each for each in valid if name in (each, short_name(each))), None)
    if found is None:
        known = list(map(short_name, valid))
        raise UserError(
            f"no budget is known for '{name}'",
            hint=nearest(name, known) or "one of: " + ", ".join(known),
        )
    return found


def _broken(name: str, value: float, limit: float) -> str:
    """Return for example ``file is 13.8 MB, over the budget of 6 MB by 130 %``."""
    metric = METRICS[name]
    side = "under" if metric.better == "higher" else "over"
    shown, allowed = units.show(value, metric.unit), units.show(limit, metric.unit)
    words = f"{short_name(name)} is {shown}, {side} the budget of {allowed}"
    if metric.unit == "fraction":
        return f"{words} by {100 * abs(value - limit):.3g} percentage points"
    share = 100 * abs(value / limit - 1) if limit else 0
    by = f"{share:,.0f}" if share >= 100 else f"{share:.3g}"
    return f"{words} by {by} %" if limit else words


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
