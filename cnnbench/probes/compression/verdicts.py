"""Verdict on a compressed row, in words: compared with float32 of the same trained network.

Computed from both rows every time a table is made, never stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cnnbench.metrics import column, split
from cnnbench.probes.compression.variants import FLOAT32, Variant, parse
from cnnbench.probes.latency import tiers
from cnnbench.probes.probe import setting_of
from cnnbench.record import Record
from cnnbench.row import Row
from cnnbench.statistics import estimates, proportions
from cnnbench.statistics.robust import FEWEST_PROCESSES
from cnnbench.statistics.verdict import VerdictKind
from cnnbench.tasks.classification.answers import Answers, answers_of

COLUMN = "compression_verdict"
# MLPerf Inference, rules, section "Benchmarks": a closed-division result keeps 99 % of the
# accuracy of the float32 reference.
GATE = 0.99
COVERED = 0.9
_LEAST_SMALLER = 1.1  # a file or its gzip that is smaller by less is not called smaller


@dataclass(frozen=True)
class _Beside:
    """A compressed row and the float32 row that it is compared with, each with its answers."""

    place: int
    row: Row
    base: Row
    variant: Variant
    answers: Mapping[str, Answers]
    base_answers: Mapping[str, Answers]


def columns(rows: Sequence[Row], records: Sequence[Sequence[Record]]) -> list[dict[str, str]]:
    """Return the column with the verdict, for every row of a report that has one."""
    found = verdicts(rows, records)
    return [{COLUMN: found[place]} if place in found else {} for place in range(len(rows))]


def verdicts(rows: Sequence[Row], records: Sequence[Iterable[Record]]) -> dict[int, str]:
    """Return place of a row -> its verdict, for every compressed row.

    Args:
        rows: of a report, column -> cell. All latencies are one family of tests.
        records: what each row was made of.
    """
    pairs = list(_pairs(rows, records))
    speeds = _speeds(pairs)
    return {
        pair.place: "; ".join(_words(pair, speeds.get(pair.place, []))) or "nothing was measured"
        for pair in pairs
    }


def _pairs(rows: Sequence[Row], records: Sequence[Iterable[Record]]) -> Iterator[_Beside]:
    keys = [(row.model, *row.facts.values()) for row in rows]
    bases = {keys[place]: place for place, row in enumerate(rows) if row.variant == FLOAT32}
    for place, row in enumerate(rows):
        base = bases.get(keys[place])
        if row.variant != FLOAT32 and base is not None:
            given = (_answers(records[of]) for of in (place, base))
            yield _Beside(place, row, rows[base], parse(row.variant), *given)


def _answers(records: Iterable[Record]) -> dict[str, Answers]:
    """Return ``top1@setting`` -> the latest answers, of the records of one row."""
    return {
        column("top1", setting_of(record).label_for("top1")): found
        for record in records
        if record.status == "ok" and (found := answers_of(record)) is not None
    }


def _words(pair: _Beside, speeds: Sequence[str]) -> Iterator[str]:
    why = _why_absent(pair.row)
    if why:
        yield why
        return
    yield from _disagreement(pair.row)
    yield from _accuracy(pair)
    yield from speeds
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
    for name, found in pair.row.values.items():
        base = pair.base.get(name)
        if split(name)[0] != "top1" or found.value is None or not base.value:
            continue
        if not base.verdict.is_above_chance:
            yield f"float32 itself is {VerdictKind.NOT_ABOVE_CHANCE.value}"
            continue
        answers = pair.base_answers.get(name), pair.answers.get(name)
        yield _kept(found.value / base.value, base.value, *answers)


def _kept(share: float, base: float, float32: Answers | None, new: Answers | None) -> str:
    """Return on which side of the gate a share of float32's accuracy is, if that is significant.

    Where the single answers are not known, the share alone decides, as in MLPerf.
    """
    # Rounded down: what misses the gate must not read as if it met it.
    words = f"{math.floor(1000 * share + 1e-9) / 10:.1f} % of float32's accuracy"
    low = high = share
    if float32 and new and float32.is_paired_with(new):
        gain = proportions.gain(float32.right, new.right)
        low, high = 1 + gain.low / base, 1 + gain.high / base
        words += f" ({100 * low:.1f}-{100 * high:.1f} %"
        if low < GATE <= high:
            images = f"{len(new.right):,} test images"
            return f"keeps {words}; {images} cannot show whether it reaches 99 %)"
        words += ")"
    return f"keeps {words}" if low >= GATE else f"accuracy loss: {words}"


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
    return [
        split(name)[1]
        for name, found in row.values.items()
        if split(name)[0] == "latency_location_s" and "/litert/" in name and found.value is not None
    ]


def _times_smaller(pair: _Beside, name: str) -> float:
    base, new = pair.base.get(name).value, pair.row.get(name).value
    return base / new if base and new else 0.0
