"""Intervals, tiers, gains and comparisons of average precision, from resamples in records."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cnnbench.record import Record
from cnnbench.report.remarks import remarks
from cnnbench.results import tables
from cnnbench.results.report import Report
from cnnbench.selection.choose import choose
from cnnbench.selection.compare import compare
from cnnbench.statistics.verdict import NOT_ABOVE_CHANCE, ONE_SEED, STABLE
from cnnbench.tasks.resampled_task import STEPS, Replicates, Resampled
from cnnbench.tasks.task import TASKS, Contender
from tests.detectors import COLUMN, LABEL, SETTING, details, detector
from tests.records import record

TASK = TASKS.find("detection")
WELL, ILL = (0.400, 0.404, 0.396), (0.300, 0.302, 0.298)


def by_hand(values: list[int], images: str = "same") -> Resampled:
    replicates = Replicates(np.array(values), images)
    return Resampled((0.5, 0.7), 100, (replicates, replicates))


def test_variances_by_hand() -> None:
    a = by_hand([500_000, 600_000, 700_000])
    b = by_hand([400_000, 400_000, 700_000])
    assert a.mean == pytest.approx(0.6) and a.of_seeds == pytest.approx(0.02)
    assert a.image_variance == pytest.approx(0.01)  # 0.5, 0.6, 0.7
    # Differences 0.1, 0.2, 0.
    assert a.image_variance_beside(b) == pytest.approx(0.01)
    assert a.image_variance_beside(by_hand([0, 0, 0], "others")) is None
    interval = a.interval
    # s²/k is 0.01 too: by Satterthwaite 1 * (0.02 / 0.01)² = 4 degrees of freedom, t = 2.776.
    half = 2.7764451 * math.sqrt(0.02)
    assert (interval.low, interval.high) == pytest.approx((0.6 - half, 0.6 + half), abs=1e-6)


def judged(records: list[Record], is_trained: bool = True) -> Any:
    return TASK.judge(Contender(records, is_trained))["box_map"]


def test_the_interval_covers_seeds_and_images() -> None:
    found = judged(detector("A", WELL))
    assert found.verdict == STABLE and found.value == pytest.approx(0.4)
    half = (found.high - found.low) / 2
    # The resamples vary by 0.02, the seeds by 0.004.
    assert half == pytest.approx(1.96 * math.hypot(0.02, 0.004 / math.sqrt(3)), rel=0.2)
    of_images = judged(detector("A", WELL[:1]))
    assert of_images.verdict == ONE_SEED
    assert of_images.high - of_images.low == pytest.approx(2 * half, rel=0.1)
    assert judged(detector("A", WELL[:1]), is_trained=False).verdict == STABLE


def test_what_a_constant_answer_scores_is_not_ranked() -> None:
    blind = detector("Blind", (0.03, 0.04), chance=0.02)
    assert judged(blind).verdict == NOT_ABOVE_CHANCE
    # Nor is its AP50, or any other number of it.
    assert TASK.judge(Contender(blind))["box_map50"].verdict == NOT_ABOVE_CHANCE
    places = TASK.rank([Contender(one) for one in (blind, detector("A", WELL), detector("B", ILL))])
    assert places[0] is None
    assert [place and place.tier for place in places[1:]] == [1, 2]


def test_the_same_images_show_what_other_images_would_not() -> None:
    near = (0.395, 0.399, 0.391)

    def tiers(**given: Any) -> list[int | None]:
        field = [detector("A", WELL, own=0.0005), detector("B", near, own=0.0005, **given)]
        return [place and place.tier for place in TASK.rank([Contender(one) for one in field])]

    assert tiers() == [1, 1]
    apart = (0.380, 0.384, 0.376)
    field = [detector("A", WELL, own=0.0005), detector("B", apart, own=0.0005)]
    assert [place and place.tier for place in TASK.rank([Contender(f) for f in field])] == [1, 2]
    other = [field[0], detector("B", apart, own=0.0005, images="others")]
    assert [place and place.tier for place in TASK.rank([Contender(f) for f in other])] == [1, 1]


def test_equal_networks_share_a_tier_in_nineteen_of_twenty_trials() -> None:
    random = np.random.default_rng(0)
    apart = 0
    for _ in range(200):
        hard = random.normal(0, 0.02, 201)  # the last is the test set itself
        field = [_drawn(random, hard) for _ in range(3)]
        places = TASK.rank([Contender(one) for one in field])
        apart += max(place.tier for place in places if place) > 1
    assert apart / 200 <= 0.06


def _drawn(random: np.random.Generator, hard: np.ndarray) -> list[Record]:
    """Return three seeds of a network whose true average precision is 0.4."""
    own = random.normal(0, 0.01, 201)  # what it finds hard
    records = []
    for one in detector("A", 0.4 + hard[-1] + own[-1] + random.normal(0, 0.005, 3)):
        values = np.rint((one.metrics["box_map"] + hard[:-1] + own[:-1]) * STEPS)
        stored = {"box_map": values.astype(int).tolist()}
        records.append(replace(one, details=one.details | {"replicates": stored}))
    return records


def test_a_gain_is_of_the_same_images() -> None:
    (base,), (new,) = detector("A", (0.40,)), detector("A", (0.39,), "ptq-int8")
    found = TASK.gain(base, new)
    assert found is not None
    estimate, images = found
    assert images == 2000 and estimate.value == pytest.approx(-0.01)
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * 0.002 * math.sqrt(2), rel=0.2)
    # Equal answers have an interval as if one more image were right on each side.
    same = TASK.gain(base, base)
    assert same is not None
    assert same[0].high == -same[0].low == pytest.approx(1.96 * math.sqrt(2) / 2002, rel=1e-3)
    elsewhere = replace(new, details=new.details | {"test_objects_sha256": "others"})
    assert TASK.gain(base, elsewhere) is None


def converted(variant: str, value: float, own: float = 0.0) -> Record:
    setting = {"part": "convert", "variant": variant, "classes": 10, "training": SETTING}
    facts = details(value, own=own) | {"flags": []}
    sizes = {"file_bytes": 1000.0, "file_gzip_bytes": 900.0}
    return record(
        "Net",
        "compression",
        0,
        setting=setting,
        details=facts,
        variant=variant,
        box_map=value,
        **sizes,
    )


@pytest.mark.parametrize(
    ("value", "own", "words"),
    [
        (0.399, 0.0, "keeps 99.7 % of float32's AP (99.4-100.1 %)"),
        (0.380, 0.001, "AP loss: 95.0 % of float32's AP (94."),
        (0.398, 0.01, "2,000 test images cannot show whether it reaches 99 %)"),
    ],
)
def test_compressed_detectors_are_judged_by_their_average_precision(
    value: float, own: float, words: str
) -> None:
    both = [converted("float32", 0.4), converted("ptq-int8", value, own)]
    assert words in tables.report(both)["compression_verdict"][1]


@pytest.mark.parametrize(
    "replicates",
    [None, [], "text", {"box_map": "text"}, {"box_map": [1] * 10}, {"box_map": [0.5] * 200},
     {"box_map": [-1] * 200}, {"box_map": [2 * STEPS] * 200}],
)  # fmt: skip
def test_records_without_usable_resamples_have_no_interval(replicates: Any) -> None:
    edited = [
        replace(one, details=one.details | {"replicates": replicates})
        for one in detector("A", WELL)
    ]
    found = judged(edited)
    assert (found.low, str(found.verdict)) == (None, "")
    assert TASK.rank([Contender(edited), Contender(detector("B", ILL))]) == [None, None]
    assert TASK.gain(edited[0], edited[1]) is None


def test_tables_have_tiers_and_say_what_is_open() -> None:
    records = [
        *detector("A", WELL),
        *detector("B", (0.401, 0.405, 0.397)),
        *detector("C", ILL),
        *detector("Blind", (0.01, 0.012), chance=0.02),
    ]
    report = tables.measured(records)
    tiers = {row.model: row.read(f"box_map_tier@{LABEL}").value for row in report}
    assert tiers == {"A": 1, "B": 1, "C": 2, "Blind": None}
    lines = list(remarks(report))
    assert any("tier 1 is inconclusive" in line and "(A, B)" in line for line in lines)
    assert any("Blind (not above chance)" in line for line in lines)


def test_bare_tables_are_compared_and_chosen_from_as_by_top1() -> None:
    base = tables.measured([*detector("A", WELL), *detector("B", ILL)])
    worse = tables.measured([*detector("A", ILL), *detector("B", ILL)])
    sides = [Report.from_frame(one.to_frame()) for one in (base, worse)]
    found = {row.model: row.verdict for row in compare(*sides, metrics=["box_map"]).rows}
    assert found == {"A": "worse", "B": "same"}
    choice = choose(sides[0], maximize="box_map")
    assert choice.winner is not None and choice.winner.name == "A" and not choice.ties
    assert sides[0].rows[0].get(COLUMN).samples == WELL
    near = tables.measured([*detector("A", WELL), *detector("B", (0.399, 0.403, 0.395))])
    assert [one.name for one in choose(near, maximize="box_map").ties] == ["B"]
