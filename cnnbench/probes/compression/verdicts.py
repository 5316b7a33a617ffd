"""Verdicts on compressed rows of a report, each compared with the float32 row of the same model.

Verdicts are computed when tables are made, from both rows, and never stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnbench.metrics import split
from cnnbench.probes.accuracy.answers import Answers, answers_by_column
from cnnbench.probes.compression.variants import FLOAT32, Variant, parse
from cnnbench.probes.latency import tiers
from cnnbench.record import Record
from cnnbench.statistics import estimates, proportions
from cnnbench.statistics.robust import FEWEST_PROCESSES

COLUMN = "compression_verdict"
# MLPerf Inference, rules, section "Benchmarks": a closed-division result keeps 99 % of the
# accuracy of the float32 reference.
GATE = 0.99
COVERED = 0.9
_LEAST_SMALLER = 1.1  # a smaller factor is not reported as smaller

Row = Mapping[str, Any]


@dataclass(frozen=True)
class _Pair:
    """A compressed row and the float32 row it is compared with, with their single answers."""

    index: int
    row: Row
    base: Row
    variant: Variant
    answers: Mapping[str, Answers]
    base_answers: Mapping[str, Answers]


def columns(rows: Sequence[Row], records: Sequence[Sequence[Record]]) -> list[dict[str, Any]]:
    """Return for each row of a report its verdict column, or nothing for a float32 row."""
    found = verdicts(rows, records)
    return [{COLUMN: found[index]} if index in found else {} for index in range(len(rows))]


def verdicts(rows: Sequence[Row], records: Sequence[Iterable[Record]]) -> dict[int, str]:
    """Return index of a row -> its verdict, for every compressed row.

    Args:
        rows: the rows of a report, column -> cell. The tests of all their latencies are corrected
            together for multiple comparisons.
        records: the records of each row.
    """
    pairs = list(_pairs(rows, records))
    speeds = _speeds(pairs)
    return {
        pair.index: "; ".join(_phrases(pair, speeds.get(pair.index, []))) or "nothing was measured"
        for pair in pairs
    }


def _pairs(rows: Sequence[Row], records: Sequence[Iterable[Record]]) -> Iterator[_Pair]:
    names = ("model", "input_shape", "classes")
    keys = [tuple(row[name] for name in names) for row in rows]
    bases = {keys[index]: index for index, row in enumerate(rows) if row["variant"] == FLOAT32}
    for index, row in enumerate(rows):
        base = bases.get(keys[index])
        if row["variant"] != FLOAT32 and base is not None:
            answers = (answers_by_column(records[each]) for each in (index, base))
            yield _Pair(index, row, rows[base], parse(row["variant"]), *answers)


def _phrases(pair: _Pair, speeds: Sequence[str]) -> Iterator[str]:
    failure = _failure(pair.row)
    if failure:
        yield failure
        return
    yield from _disagreement(pair.row)
    yield from _accuracy(pair)
    yield from speeds
    yield from _size(pair)
    yield from _coverage(pair)


def _failure(row: Row) -> str:
    """Return why there is no file (``not applicable: …`` if it was skipped), or ''."""
    status = str(row.get("file_bytes_status") or "")
    if row.get("file_bytes") is not None or not status:
        return ""
    kind, _, reason = status.partition(": ")
    return f"not applicable: {reason}" if kind == "skipped" else status


def _disagreement(row: Row) -> Iterator[str]:
    """Yield the reason if the outputs of a file without quantisation differ from Keras'."""
    for name, words in row.items():
        if split(name)[0] == "output_max_abs_diff_verdict" and words:
            yield estimates.reasons_of(words)


def _accuracy(pair: _Pair) -> Iterator[str]:
    for name, value in pair.row.items():
        base = pair.base.get(name)
        if split(name)[0] != "top1" or value is None or not base:
            continue
        if estimates.NOT_ABOVE_CHANCE in str(pair.base.get(f"top1_verdict@{split(name)[1]}")):
            yield f"float32 itself is {estimates.NOT_ABOVE_CHANCE}"
            continue
        yield _kept(value / base, base, pair.base_answers.get(name), pair.answers.get(name))


def _kept(share: float, base: float, float32: Answers | None, new: Answers | None) -> str:
    """Compare a share of float32's accuracy with the gate, if there are enough test images.

    Without the single answers there is no interval, and the share alone decides, as in MLPerf.
    """
    # Rounded down, so that a share below the gate does not look like one that passes.
    words = f"{math.floor(1000 * share + 1e-9) / 10:.1f} % of float32's accuracy"
    low = high = share
    if float32 and new and float32.is_paired_with(new):
        gain = proportions.gain(float32.right, new.right)
        low, high = 1 + gain.low / base, 1 + gain.high / base
        words += f" ({100 * low:.1f}-{100 * high:.1f} %"
        if low < GATE <= high:
            return f"keeps {words}; {len(new.right):,} test images cannot tell it from 99 %)"
        words += ")"
    return f"keeps {words}" if low >= GATE else f"loses accuracy: keeps only {words}"


def _speeds(pairs: Sequence[_Pair]) -> dict[int, list[str]]:
    """Return index of a row -> phrases on its speed, one per runtime setting."""
    found = [
        (pair, label, base, new)
        for pair in pairs
        for label in _labels(pair.row)
        if (base := tiers.ratios(pair.base, label)) and (new := tiers.ratios(pair.row, label))
    ]
    tests = estimates.compare([(base, new) for _, _, base, new in found])
    phrases: dict[int, list[str]] = {}
    for (pair, label, base, new), test in zip(found, tests, strict=True):
        has_several = len(_labels(pair.row)) > 1
        phrase = _speed(test, min(len(base), len(new)))
        phrase = f"{phrase} [{label}]" if has_several else phrase
        phrases.setdefault(pair.index, []).append(phrase)
    return phrases


def _speed(test: estimates.Comparison, processes: int) -> str:
    up, low, high = 1 / test.ratio, 1 / test.high, 1 / test.low
    interval = f"{up:.2f}x, {low:.2f}-{high:.2f}"
    match test.verdict:
        case "lower":
            return f"faster than float32 here ({interval})"
        case "higher":
            return f"slower than float32 here ({interval})"
        case "too few processes":
            need = FEWEST_PROCESSES
            return f"speed unknown: {processes} of at least {need} processes ({interval} seen)"
    most = 1 + estimates.MINIMUM_EFFECT
    is_none = low >= 1 / most and high <= most
    return f"no {'real speed-up' if is_none else 'speed-up shown'} ({interval})"


def _size(pair: _Pair) -> Iterator[str]:
    file, zipped = (_times_smaller(pair, f"file{kind}_bytes") for kind in ("", "_gzip"))
    if file >= _LEAST_SMALLER:
        yield f"file {file:.1f}x smaller"
    elif zipped >= _LEAST_SMALLER:
        yield f"smaller only when compressed (gzip {zipped:.1f}x)"
    elif file:
        yield "file no smaller"


def _coverage(pair: _Pair) -> Iterator[str]:
    """Yield the uncovered share if it is more than 10 % of the MACs or of the weights."""
    macs, params = (pair.row.get(f"coverage_{of}") for of in ("macs", "params"))
    if macs is None or params is None or min(macs, params) >= COVERED:
        return
    # Quantisation first, then the steps before it.
    steps = sorted(pair.variant.steps, key=lambda step: step.gives_float_model)
    word = " or ".join(step.uncovered for step in steps)
    left = f"{100 * (1 - macs):.0f} % of the MACs, {100 * (1 - params):.0f} % of the weights"
    yield f"partly {word}: {left}"


def _labels(row: Row) -> list[str]:
    return [
        split(name)[1]
        for name, value in row.items()
        if split(name)[0] == "latency_location_s" and "/litert/" in name and value is not None
    ]


def _times_smaller(pair: _Pair, name: str) -> float:
    base, new = pair.base.get(name), pair.row.get(name)
    return base / new if base and new else 0.0
