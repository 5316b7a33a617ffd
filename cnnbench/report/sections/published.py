"""Published and measured figures compared: Table 14-3 and keras.io, row by row.

Table 14-3 (*Hands-On Machine Learning*, 3rd ed., ch. 14) has keras.io's figures, with parameters
rounded to 0.1 M, so one set of published numbers represents both (tested). Neither has MACs; those
are from the papers, if the paper's network is the same graph as Keras'. A published time is that of
a step, a batch of 32, on other hardware; it is used for ranking only.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import geometric_mean, median

from cnnbench.report.sections.section import far_apart, measured_time, settings_of
from cnnbench.results.report import Report
from cnnbench.row import Row
from cnnbench.statistics.ranks import FEWEST_RANKS, Correlation, ranks, spearman
from cnnbench.units import rounded, show

MIB = 2**20
_STEP = 32  # images
_A100_FLOPS = 156e12  # the published card's dense TF32 peak, its fastest for float32 networks
# Weights files hold a little more than the weights, and are printed in whole MiB.
_SIZE_AGREES = (0.92, 1.15)
_MACS_AGREE, _ROUNDING = 0.03, 0.06


@dataclass(frozen=True)
class Times:
    """One published time and one measured, of the networks that have both.

    Attributes:
        device: of both times, ``cpu`` or ``gpu``.
        setting: ``cpu/litert/b1``, or a description of the settings averaged.
        seconds: network -> its published and its measured time.
    """

    device: str
    setting: str
    seconds: Mapping[str, tuple[float, float]]

    @property
    def correlation(self) -> Correlation:
        return spearman(*zip(*self.seconds.values(), strict=True))

    @property
    def places(self) -> dict[str, tuple[int, int]]:
        """Return network -> its rank by the published and by the measured times."""
        there, here = map(ranks, zip(*self.seconds.values(), strict=True))
        return dict(zip(self.seconds, zip(there, here, strict=True), strict=True))


@dataclass(frozen=True)
class Beside:
    """Published and measured figures, side by side.

    Attributes:
        rows: the networks with published figures.
        settings: the measured settings in order, ``cpu/litert/b1``, with their devices.
        times: for each device the measured times together, then setting by setting.
        notes: differences and their causes.
    """

    rows: tuple[Row, ...]
    settings: Mapping[str, str]
    times: tuple[Times, ...]
    notes: tuple[str, ...]


def beside(report: Report) -> Beside | None:
    """Return published next to measured figures; None with too few networks to rank."""
    rows = [row for row in report.rows if _is_published(row)]
    settings = {label: axes["device"] for label, axes in settings_of(report).items()}
    times = (_times(rows, *setting) for setting in settings.items())
    enough = [pairs for pairs in times if len(pairs.seconds) >= FEWEST_RANKS]
    if not enough:
        return None
    together = [pairs for device in ("cpu", "gpu") for pairs in _together(device, enough)]
    notes = [*_notes_on_counts(rows), *_notes_on_steps(rows), *_notes_on_places(rows, enough)]
    return Beside(tuple(rows), settings, (*together, *enough), tuple(notes))


def published_macs(row: Row) -> float | None:
    """Return the MACs stated in the paper, if its network is the same graph."""
    found = _macs_of_papers().get(row.model)
    return found[0] if found else None


@cache
def _macs_of_papers() -> Mapping[str, tuple[float, str]]:
    file = Path(__file__).with_name("published_macs.csv")
    with file.open(encoding="utf-8", newline="") as stream:
        return {
            line["model"]: (float(line["macs"]), line["source"]) for line in csv.DictReader(stream)
        }


def _is_published(row: Row) -> bool:
    return row.variant == "float32" and row.read("published_size_bytes").value is not None


def _times(rows: Sequence[Row], setting: str, device: str) -> Times:
    seconds = {
        row.name: (theirs, ours)
        for row in rows
        if (theirs := row.read(f"published_{device}_s").value) is not None
        and (ours := measured_time(row, setting).value) is not None
    }
    return Times(device, setting, seconds)


def _together(device: str, times: Sequence[Times]) -> Iterator[Times]:
    """Yield the geometric mean over a device's settings, of networks that have all of them."""
    members = [pairs.seconds for pairs in times if pairs.device == device]
    if len(members) < 2:
        return
    seconds = {
        name: (theirs, rounded(geometric_mean(of[name][1] for of in members)))
        for name, (theirs, _) in members[0].items()
        if all(name in of for of in members)
    }
    if len(seconds) >= FEWEST_RANKS:
        yield Times(device, f"all on the {device.upper()}", seconds)


def _notes_on_counts(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        size, weights = row.read("published_size_bytes").value, row.read("weight_bytes").value
        params, counted = row.read("published_params").value, row.read("params").value
        if size and weights and not _SIZE_AGREES[0] <= size / weights <= _SIZE_AGREES[1]:
            yield (
                f"{row.name}: the published size, {size / MIB:.0f} MiB, is {size / weights:.2f} "
                f"times its float32 weights ({weights / MIB:.1f} MiB); the others lie within "
                f"0.98 and 1.13. The published figure is wrong; the book repeats it."
            )
        if params and counted and params != counted:
            yield f"{row.name}: {params:,.0f} parameters published, {counted:,.0f} counted here."
        theirs, ours = published_macs(row), row.read("macs").value
        if theirs and ours and abs(ours / theirs - 1) > _MACS_AGREE:
            is_rounding = abs(ours / theirs - 1) < _ROUNDING
            why = ": the paper's figure is rounded" if is_rounding else ""
            yield (
                f"{row.name}: {show(theirs, 'count')} MACs in {_macs_of_papers()[row.model][1]}, "
                f"{ours:,.0f} counted here ({100 * (ours / theirs - 1):+.1f} %){why}."
            )


def _notes_on_steps(rows: Sequence[Row]) -> Iterator[str]:
    """Yield published GPU times that are beyond the peak of that GPU."""
    for row in rows:
        seconds, macs = row.read("published_gpu_s").value, row.read("macs").value
        needed = 2 * macs * _STEP / seconds if seconds and macs else 0.0
        if needed > _A100_FLOPS:
            yield (
                f"{row.name}: the published {show(seconds, 's')} per GPU step is impossible: a "
                f"batch of {_STEP} in that time needs {needed / 1e12:.0f} TFLOP/s; the peak of the "
                f"A100 it names is {_A100_FLOPS / 1e12:.0f}."
            )


def _notes_on_places(rows: Sequence[Row], times: Sequence[Times]) -> Iterator[str]:
    """Yield networks whose rank differs by a quarter of the table, with their times per MAC.

    A time per MAC far from the median says on which side the network is faster or slower than its
    arithmetic suggests.
    """
    macs = {row.name: value for row in rows if (value := row.read("macs").value)}
    moved: dict[tuple[str, str], list[str]] = {}
    for pairs in times:
        count, clock = len(pairs.seconds), f"the published {pairs.device.upper()} time"
        theirs, ours = (_by_arithmetic(pairs, of, macs) for of in (0, 1))
        for name, (there, here) in pairs.places.items():
            if abs(there - here) < far_apart(count):
                continue
            odd = f" (time per MAC {theirs[name]:.1f} times the median)" if name in theirs else ""
            head = f"rank {there} of {count} by {clock}{odd}"
            odd = f" ({ours[name]:.1f} times)" if name in ours else ""
            moved.setdefault((name, head), []).append(f"{here} in {pairs.setting}{odd}")
    for (name, head), places in moved.items():
        yield f"{name}: {head}, here {', '.join(places)}."


def _by_arithmetic(pairs: Times, of: int, macs: Mapping[str, float]) -> dict[str, float]:
    """Return network -> its time per MAC, relative to the median of all."""
    each = {name: both[of] / macs[name] for name, both in pairs.seconds.items() if name in macs}
    middle = median(each.values()) if each else 1.0
    return {name: value / middle for name, value in each.items()}
