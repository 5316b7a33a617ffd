"""Tiers, intervals and gains of scores in 0..1: the IoU of every image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.report.remarks import remarks
from cnnbench.results import tables
from cnnbench.statistics import proportions
from cnnbench.statistics.verdict import NOT_ABOVE_CHANCE
from cnnbench.tasks import image_scores, ranking
from cnnbench.tasks.image_scores import LEVELS, ImageScores
from cnnbench.tasks.localization import LOCALIZATION
from cnnbench.tasks.ranking import Scores
from cnnbench.tasks.task import Contender
from tests.records import record
from tests.tasks.test_task import FakeEvaluation

IMAGES = 500


def levels(scores: np.ndarray, images: str = "same") -> ImageScores:
    return ImageScores(np.rint(scores * LEVELS).astype(np.int64), images, LEVELS)


def trained(
    random: np.random.Generator, ease: np.ndarray, shift: float, seeds: int, noise: float
) -> Scores:
    """A network whose IoU of image i is ease[i] + shift, more or less; seeds vary by ``noise``."""
    rows = [
        np.clip(ease + shift + random.normal(0, noise) + random.normal(0, 0.1, len(ease)), 0, 1)
        for _ in range(seeds)
    ]
    by_image = tuple(levels(row) for row in rows)
    return Scores(tuple(map(float, np.mean(rows, axis=1))), len(ease), by_image, chance=0.2)


def tiers(contenders: list[Scores]) -> list[int]:
    return [place.tier for place in ranking.places(contenders)]


# Two seeds of two networks on four images, in tenths.
A = ((10, 5, 0, 5), (8, 5, 2, 5))
B = ((9, 3, 1, 3), (7, 3, 3, 1))


def by_hand(rows: Sequence[Sequence[int]], images: str = "same") -> Scores:
    means = tuple(sum(row) / 40 for row in rows)
    return Scores(means, 4, tuple(ImageScores(np.array(row), images, 10) for row in rows))


def test_variances_between_images_by_hand() -> None:
    a, b = by_hand(A), by_hand(B)
    # Means over the seeds: 0.9, 0.5, 0.1, 0.5 around 0.5.
    assert a.spread == pytest.approx((0.4**2 + 0 + 0.4**2 + 0) / 3)
    assert a.of_seeds == 0 and a.means == (0.5, 0.5)
    assert b.means == (0.4, 0.35) and b.of_seeds == pytest.approx(0.00125)
    # Differences of the means 0.1, 0.2, -0.1, 0.3, around 0.125.
    of_images = (0.025**2 + 0.075**2 + 0.225**2 + 0.175**2) / 3 / 4
    found = ranking._Field([a, b]).difference(0, 1)
    assert found.gap == pytest.approx(0.125)
    assert found.of_images == pytest.approx(of_images)
    # Pooled over both: a has no variance of its own, and gets that of all.
    assert found.of_seeds == pytest.approx([0.000625, 0.00125])


def test_scores_of_other_images_are_compared_without_pairing() -> None:
    a, b = by_hand(A), by_hand(B, "others")
    assert a.spread is not None and b.spread is not None
    found = ranking._Field([a, b]).difference(0, 1)
    assert found.of_images == pytest.approx((a.spread + b.spread) / 4)


def test_without_scores_of_each_image_the_variance_is_the_largest_possible() -> None:
    known = by_hand(A)
    unknown = replace(known, by_image=())
    assert unknown.spread is None and unknown.of_images == 0.25
    assert known.of_images < unknown.of_images
    assert unknown.interval.high - unknown.interval.low > known.interval.high - known.interval.low


def test_right_and_wrong_answers_are_scores_of_one_and_zero() -> None:
    random = np.random.default_rng(0)
    rows = random.random((3, 1000)) < 0.7
    means = tuple(map(float, rows.mean(axis=1)))
    bits = Scores(means, 1000, tuple(ImageScores(row, "same") for row in rows))
    assert bits.spread is None and bits.of_images == pytest.approx(bits.mean * (1 - bits.mean))
    # With Bessel's correction, a single seed of bits has the same variance and interval.
    single = replace(bits, means=means[:1], by_image=(levels(rows[0]),))
    assert single.of_images == pytest.approx(means[0] * (1 - means[0]) * 1000 / 999)
    wilson = proportions.estimate(means[:1], 1000)
    assert single.interval.low == pytest.approx(wilson.low, abs=1e-12)
    base, new = (proportions.gain(*pair, scale) for pair, scale in _gains(rows))
    assert (base.value, base.low, base.high) == pytest.approx((new.value, new.low, new.high))


def _gains(rows: np.ndarray) -> Any:
    yield (rows[0], rows[1]), 1
    yield (rows[0] * LEVELS, rows[1] * LEVELS), LEVELS


def test_the_gain_of_scores_by_hand() -> None:
    found = proportions.gain(np.array([0, 5, 5]), np.array([5, 10, 0]), scale=10)
    # Rises of 0.5, 0.5 and -0.5, and one more image of 1 and of -1.
    centre, squares = 0.5 / 5, (3 * 0.25 + 2) / 5
    half = 1.959964 * ((squares - centre**2) / 5) ** 0.5
    assert (found.value, found.low, found.high) == pytest.approx(
        (0.5 / 3, centre - half, centre + half), rel=1e-6
    )


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_interval_covers_the_truth(seeds: int) -> None:
    """Each trial draws images and seeds anew; one seed has the error of the images alone."""
    random = np.random.default_rng(seeds)
    noise = 0.02 if seeds > 1 else 0.0

    def scores(count: int) -> Scores:
        return trained(random, random.beta(2, 1.5, count), 0.0, seeds, noise)

    truth = np.mean([scores(20_000).mean for _ in range(200 if seeds > 1 else 40)])
    trials = 600
    covered = sum(
        one.low <= truth <= one.high for one in (scores(200).interval for _ in range(trials))
    )
    assert 0.93 * trials <= covered <= 0.985 * trials


def test_the_interval_of_a_gain_in_scores_covers_the_truth() -> None:
    random = np.random.default_rng(7)
    covered, trials, truth = 0, 600, 0.03
    for _ in range(trials):
        base = random.uniform(0.2, 0.75, 200)
        new = base + random.uniform(truth - 0.2, truth + 0.2, 200)
        found = proportions.gain(levels(base).values, levels(new).values, LEVELS)
        covered += found.low <= truth <= found.high
    assert 0.93 * trials <= covered <= 1.0 * trials


def test_equal_networks_share_a_tier_in_nineteen_of_twenty_trials() -> None:
    random = np.random.default_rng(2)
    apart = 0
    for _ in range(150):
        ease = random.beta(2, 1.5, IMAGES)
        apart += max(tiers([trained(random, ease, 0.0, 3, 0.01) for _ in range(4)])) > 1
    assert apart / 150 <= 0.05


def test_the_same_images_show_a_difference_that_others_would_not() -> None:
    random = np.random.default_rng(3)
    ease = random.beta(2, 1.5, IMAGES) * 0.9
    a, b, c = (trained(random, ease, shift, 3, 0.001) for shift in (0.0, 0.02, 0.1))
    assert tiers([a, b, c]) == [3, 2, 1]
    elsewhere = replace(b, by_image=tuple(replace(one, images="others") for one in b.by_image))
    assert tiers([a, elsewhere]) == [1, 1]


def test_the_order_of_the_seeds_decides_nothing() -> None:
    a = trained(np.random.default_rng(4), np.full(IMAGES, 0.5), 0.0, 4, 0.03)
    b = replace(a, means=a.means[::-1], by_image=a.by_image[::-1])
    assert (a.interval, a.spread) == (b.interval, b.spread)


SETTING = AccuracySetting(dataset="digits", image_size=8, task="localization").model_dump(
    mode="json"
)
LABEL = "digits/scratch/task=localization"


def localised(
    model: str, seed: int, overlap: np.ndarray, chance: float = 0.2, identity: str = "x"
) -> Any:
    details = {
        "n_test": len(overlap),
        "chance": chance,
        "chances": {"top1": 0.1, "located_top1": 0.05},
        "iou": image_scores.packed_scores(overlap),
        "test_objects_sha256": identity,
    }
    return record(
        model, "accuracy", seed, setting=SETTING, details=details,
        mean_iou=float(overlap.mean()), top1=0.8, located_top1=0.4,
    )  # fmt: skip


def test_the_table_has_tiers_by_mean_iou_and_never_ranks_chance() -> None:
    random = np.random.default_rng(5)
    ease = random.beta(2, 1.5, IMAGES) * 0.8
    shifts = {"A": 0.0, "B": 0.001, "C": -0.2}
    records = [
        localised(model, seed, np.clip(ease + shift + random.normal(0, 0.1, IMAGES), 0, 1))
        for model, shift in shifts.items()
        for seed in range(2)
    ]
    blind = random.uniform(0, 0.4, IMAGES)
    records += [localised("Blind", seed, np.roll(blind, seed)) for seed in range(2)]
    report = tables.measured(records)
    found = {row.model: row.read(f"mean_iou_tier@{LABEL}").value for row in report}
    assert found == {"A": 1, "B": 1, "C": 2, "Blind": None}
    lines = list(remarks(report))
    assert any("tier 1 is inconclusive" in line and line.endswith("(A, B)") for line in lines)
    assert any("Blind (not above chance)" in line for line in lines)
    one = next(iter(report)).read(f"mean_iou@{LABEL}")
    assert one.low is not None and one.high is not None and one.value is not None
    assert 0.01 < (one.high - one.low) / 2 < 0.03  # 1.96 sqrt(0.05 / 500)
    assert str(one.verdict) == "stable"


def test_each_share_has_its_own_chance() -> None:
    details = {"n_test": 100, "chance": 0.2, "chances": {"top1": 0.8, "located_top1": 0.05}}
    metrics = {"mean_iou": 0.6, "top1": 0.82, "located_top1": 0.4}
    judged = LOCALIZATION.judge(Contender([FakeEvaluation(metrics, details)] * 2))
    words = {name: str(one.verdict) for name, one in judged.items()}
    assert words == {
        "mean_iou": "stable",
        "top1": "unstable: not above chance",
        "located_top1": "stable",
    }


def test_boxes_no_better_than_a_constant_one_are_never_ranked_but_classes_may_be_right() -> None:
    details = {"n_test": 100, "chance": 0.3}
    metrics = {"mean_iou": 0.31, "top1": 0.9, "located_top1": 0.3, "loss": 1.0}
    blind = Contender([FakeEvaluation(metrics, details)] * 2)
    judged = LOCALIZATION.judge(blind)
    for name in ("mean_iou", "located_top1"):
        assert judged[name].verdict == NOT_ABOVE_CHANCE
    assert str(judged["top1"].verdict) == "stable"
    assert LOCALIZATION.rank([blind, blind]) == [None, None]


def test_the_gain_of_one_localiser_over_another_is_paired_by_image() -> None:
    overlap = np.random.default_rng(6).uniform(0, 0.9, IMAGES)
    base, new = localised("A", 0, overlap), localised("A", 0, overlap + 0.05)
    found = LOCALIZATION.gain(base, new)
    assert found is not None
    gain, images = found
    assert images == IMAGES and gain.value == pytest.approx(0.05, abs=1e-3)
    assert 0.04 < gain.low < gain.value < gain.high < 0.06
    assert LOCALIZATION.gain(base, localised("A", 0, overlap, identity="others")) is None
    assert LOCALIZATION.gain(base, record("A", "accuracy", setting=SETTING)) is None


def test_damaged_scores_do_not_stop_a_table() -> None:
    random = np.random.default_rng(8)
    high, low = random.uniform(0.5, 0.9, (2, IMAGES)), random.uniform(0.2, 0.6, (2, IMAGES))
    rows = [
        *(localised("A", seed, one) for seed, one in enumerate(high)),
        *(localised("B", seed, one) for seed, one in enumerate(low)),
    ]
    rows[0].details["iou"] = "short"
    rows[3].details.update({"chances": "none", "test_objects_sha256": 3})
    report = tables.measured(rows)
    assert [row.read(f"mean_iou_tier@{LABEL}").value for row in report] == [1, 2]
