"""Numbers of compressed models, and a verdict that compares each with its float32 model.

Both are computed from records every time a table is made, never stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cnnbench.metrics import METRICS, column, split
from cnnbench.probes.accuracy.summary import evaluated
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.compression.variants import FLOAT32, Variant, parse
from cnnbench.probes.latency import tiers
from cnnbench.probes.latency.runtimes.executed import left_in_words
from cnnbench.probes.latency.summary import summarise as summarise_latency
from cnnbench.probes.probe import setting_of
from cnnbench.probes.summary import plain
from cnnbench.record import Record
from cnnbench.row import Row
from cnnbench.statistics import estimates
from cnnbench.statistics.estimates import Estimate
from cnnbench.statistics.measurement import CellStatus, Measurement
from cnnbench.statistics.robust import FEWEST_PROCESSES
from cnnbench.statistics.verdict import ONE_TRAINING, STABLE, VerdictKind
from cnnbench.tasks.task import DEFAULT, TASKS, Task

COLUMN = "compression_verdict"
# MLPerf Inference, rules, section "Benchmarks": a closed-division result keeps 99 % of the
# accuracy of the float32 reference.
GATE = 0.99
COVERED = 0.9
_LEAST_SMALLER = 1.1  # a file or its gzip that is smaller by less is not called smaller


def summarise(records: Sequence[Record], status: CellStatus) -> dict[str, Measurement]:
    """Summarise each part as the probe that measures it does."""
    by_part = {"convert": _converted, "latency": summarise_latency}
    return by_part.get(records[-1].setting.get("part", ""), plain)(records, status)


def _converted(records: Sequence[Record], status: CellStatus) -> dict[str, Measurement]:
    """Summarise a converted file, which is evaluated untrained; its flags make answers doubtful."""
    setting = records[-1].setting
    task = TASKS.find((setting.get("training") or {}).get("task", DEFAULT))
    summaries = evaluated(task, records, status, is_trained=False)
    if setting.get("fine_tune_epochs") or not setting.get("weights"):
        summaries = {name: _of_one_training(found) for name, found in summaries.items()}
    flags = records[-1].details.get("flags")
    if not flags:
        return summaries
    known = [name for name in summaries if name in METRICS]
    of_answers = [name for name in known if METRICS[name].is_of_images or METRICS[name].is_check]
    return summaries | {name: _doubted(summaries[name], flags) for name in of_answers}


def _of_one_training(summary: Measurement) -> Measurement:
    """Return ``summary`` marked as the result of one training of several possible."""
    is_stable = summary.verdict == STABLE
    return replace(summary, verdict=ONE_TRAINING) if is_stable else summary


def _doubted(summary: Measurement, reasons: Sequence[str]) -> Measurement:
    """Return ``summary`` with more reasons why it is unstable."""
    return replace(summary, verdict=summary.verdict.doubted(*reasons))


@dataclass(frozen=True)
class _Beside:
    """A compressed row and the float32 row that it is compared with, with records by column."""

    place: int
    row: Row
    base: Row
    variant: Variant
    records: Mapping[str, Record]
    base_records: Mapping[str, Record]


def columns(rows: Sequence[Row], records: Sequence[Iterable[Record]]) -> list[dict[str, str]]:
    """Return the verdict of every compressed row in the column `COLUMN`; nothing for other rows.

    Args:
        rows: of a report, column -> cell. All latencies are one family of tests.
        records: what each row was made of.
    """
    pairs = list(_pairs(rows, records))
    speeds = _speeds(pairs)
    found: list[dict[str, str]] = [{} for _ in rows]
    for pair in pairs:
        words = "; ".join(_words(pair, speeds.get(pair.place, [])))
        found[pair.place] = {COLUMN: words or "nothing was measured"}
    return found


def _pairs(rows: Sequence[Row], records: Sequence[Iterable[Record]]) -> Iterator[_Beside]:
    keys = [(row.model, *row.facts.values()) for row in rows]
    bases = {keys[place]: place for place, row in enumerate(rows) if row.variant == FLOAT32}
    for place, row in enumerate(rows):
        base = bases.get(keys[place])
        if row.variant != FLOAT32 and base is not None:
            given = (_by_column(records[of]) for of in (place, base))
            yield _Beside(place, row, rows[base], parse(row.variant), *given)


def _by_column(records: Iterable[Record]) -> dict[str, Record]:
    """Return column of each primary metric -> the latest record that it is from."""
    found = {}
    for record in records:
        if record.probe == CompressionSetting.probe and record.status == "ok":
            setting = setting_of(record)
            for name in setting.primary_metrics():
                found[column(name, setting.label_for(name))] = record
    return found


def _words(pair: _Beside, speeds: Sequence[str]) -> Iterator[str]:
    why = _why_absent(pair.row)
    if why:
        yield why
        return
    yield from _disagreement(pair.row)
    yield from _accuracy(pair)
    yield from speeds
    yield from _left(pair)
    yield from _size(pair)
    yield from _coverage(pair)


def _why_absent(row: Row) -> str:
    """Return ``not applicable: …`` or the failure where there is no file; else nothing."""
    file = row.get("file_bytes")
    if file.value is not None:
        return ""
    return f"not applicable: {file.status.reason}" if file.was_skipped else str(file.status)


def _disagreement(row: Row) -> Iterator[str]:
    """Yield why the file's outputs differ from those of the network it was made from."""
    for name, found in row.values.items():
        if split(name)[0] == "output_max_abs_diff" and found.is_doubtful:
            yield found.verdict.why


def _accuracy(pair: _Beside) -> Iterator[str]:
    for task in TASKS.values():
        if METRICS[task.primary].better != "higher":
            continue  # a share of an error says nothing
        for name, found in pair.row.values.items():
            # A localiser has a top-1 too, by which it is not judged.
            is_judged = split(name)[0] == task.primary and (
                name in pair.records or not pair.records
            )
            base = pair.base.get(name)
            if is_judged and found.value is not None and base.value:
                share, gain = found.value / base.value, _gain(task, pair, name)
                yield _kept(share, base, gain, _quality(task))


def _quality(task: Task) -> str:
    """Return what a task's primary metric is called in a sentence."""
    if task.name == DEFAULT:
        return "accuracy"
    return METRICS[task.primary].phrase


def _gain(task: Task, pair: _Beside, name: str) -> tuple[Estimate, int] | None:
    """Return the gain in the column ``name``, and the number of images; None if unknown."""
    new, base = pair.records.get(name), pair.base_records.get(name)
    return task.gain(base, new) if base and new else None


def _kept(share: float, base: Measurement, gain: tuple[Estimate, int] | None, quality: str) -> str:
    """Return on which side of the gate a share of float32's quality is, if that is significant.

    Where the gain has no interval, the share alone decides, as in MLPerf.
    """
    if not base.verdict.is_above_chance:
        return f"float32 itself is {VerdictKind.NOT_ABOVE_CHANCE.value}"
    # Rounded down: what misses the gate must not read as if it met it.
    words = f"{math.floor(1000 * share + 1e-9) / 10:.1f} % of float32's {quality}"
    low = share
    if gain and base.value:
        found, images = gain
        low, high = 1 + found.low / base.value, 1 + found.high / base.value
        words += f" ({100 * low:.1f}-{100 * high:.1f} %"
        if low < GATE <= high:
            return f"keeps {words}; {images:,} test images cannot show whether it reaches 99 %)"
        words += ")"
    return f"keeps {words}" if low >= GATE else f"{quality} loss: {words}"


def _speeds(pairs: Sequence[_Beside]) -> dict[int, list[str]]:
    """Return place -> a phrase on its speed for each runtime."""
    found = [
        (pair, label, base, new)
        for pair in pairs
        for label in _labels(pair.row)
        if (base := tiers.ratios(pair.base, label)) and (new := tiers.ratios(pair.row, label))
    ]
    tests = estimates.compare([(base, new) for _, _, base, new in found])
    words: dict[int, list[str]] = {}
    for (pair, label, base, new), test in zip(found, tests, strict=True):
        several = len(_labels(pair.row)) > 1
        phrase = _speed(test, min(len(base), len(new)))
        words.setdefault(pair.place, []).append(f"{phrase} [{label}]" if several else phrase)
    return words


def _speed(test: estimates.RatioTest, processes: int) -> str:
    up, low, high = 1 / test.ratio, 1 / test.high, 1 / test.low
    interval = f"{up:.2f}x, {low:.2f}-{high:.2f}"
    match test.verdict:
        case "lower":
            return f"faster than float32 here ({interval})"
        case "higher":
            return f"slower than float32 here ({interval})"
        case "too few processes":
            need = FEWEST_PROCESSES
            return f"speed unknown: {processes} of at least {need} processes ({interval} observed)"
    most = 1 + estimates.MINIMUM_EFFECT
    is_same = low >= 1 / most and high <= most
    return f"{'as fast as float32' if is_same else 'no significant speed difference'} ({interval})"


def _left(pair: _Beside) -> Iterator[str]:
    """Yield which operations XNNPACK left, where it took more of float32's."""
    new, base = (of.get("file_bytes") for of in (pair.records, pair.base_records))
    words = left_in_words(new.details) if new is not None else ""
    if words and (base is None or words != left_in_words(base.details)):
        yield words


def _size(pair: _Beside) -> Iterator[str]:
    file, zipped = (_times_smaller(pair, f"file{kind}_bytes") for kind in ("", "_gzip"))
    if file >= _LEAST_SMALLER:
        yield f"file {file:.1f}x smaller"
    elif zipped >= _LEAST_SMALLER:
        yield f"smaller only after gzip ({zipped:.1f}x)"
    elif file:
        yield "file not smaller"


def _coverage(pair: _Beside) -> Iterator[str]:
    """Yield what was not compressed, if over a tenth of the MACs or of the weights."""
    macs, params = (pair.row.get(f"coverage_{of}").value for of in ("macs", "params"))
    if macs is None or params is None or min(macs, params) >= COVERED:
        return
    steps = sorted(pair.variant.steps, key=lambda step: step.gives_float_model)
    word = ", ".join(step.uncovered for step in steps)  # quantisation first
    left = f"{100 * (1 - macs):.0f} % of the MACs, {100 * (1 - params):.0f} % of the weights"
    yield f"not fully compressed (left {word}): {left}"


def _labels(row: Row) -> list[str]:
    """Return the settings in which a compressed row was timed, which only this probe does."""
    return [
        split(name)[1]
        for name, found in row.values.items()
        if split(name)[0] == "latency_location_s" and found.value is not None
    ]


def _times_smaller(pair: _Beside, name: str) -> float:
    base, new = pair.base.get(name).value, pair.row.get(name).value
    return base / new if base and new else 0.0
