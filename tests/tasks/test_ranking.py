"""Tiers of accuracy, from seeds and images of known truth."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cnnbench.plugins import PROBES
from cnnbench.report import layout
from cnnbench.report.remarks import remarks
from cnnbench.results import tables
from cnnbench.selection.choose import choose
from cnnbench.tasks import ranking
from cnnbench.tasks.image_scores import ImageScores
from cnnbench.tasks.ranking import Scores
from tests.records import record

IMAGES = 2000


def trained(
    random: np.random.Generator, ease: np.ndarray, shift: float, seeds: int, noise: float = 0.0
) -> Scores:
    """A network that is right about image i with probability ease[i] + shift, more or less."""
    rows = [
        random.random(len(ease)) < np.clip(ease + shift + random.normal(0, noise), 0, 1)
        for _ in range(seeds)
    ]
    answers = tuple(ImageScores(np.array(right), "same") for right in rows)
    return Scores(tuple(np.mean(rows, axis=1)), len(ease), answers, chance=0.1)


def tiers(contenders: list[Scores]) -> list[int]:
    return [place.tier for place in ranking.places(contenders)]


def test_equal_networks_share_a_tier_in_nineteen_of_twenty_trials() -> None:
    random = np.random.default_rng(0)
    apart = 0
    for _ in range(150):
        ease = random.beta(2, 1, IMAGES)
        apart += max(tiers([trained(random, ease, 0.0, 3, noise=0.01) for _ in range(4)])) > 1
    assert apart / 150 <= 0.05


def searched(field: list[Scores]) -> list[float]:
    """Return p that each is behind, when only the better half by its first seed has a second."""
    first = [replace(one, means=one.means[:1], by_image=one.by_image[:1]) for one in field]
    order = sorted(range(len(field)), key=lambda place: -first[place].mean)
    upper = order[: (len(field) + 1) // 2]
    known = [field[place] if place in upper else first[place] for place in range(len(field))]
    best = max(range(len(field)), key=lambda place: known[place].mean)
    return ranking.behind(best, known)


def test_equal_networks_fall_behind_with_one_seed_in_one_of_twenty_trials() -> None:
    random = np.random.default_rng(5)
    wrong = 0
    for _ in range(150):
        ease = random.beta(2, 1, IMAGES)
        wrong += min(searched([trained(random, ease, 0.0, 2, 0.01) for _ in range(6)])) < 0.05
    assert wrong / 150 <= 0.05


def test_one_seed_shows_that_a_network_is_far_behind_if_others_have_two() -> None:
    random = np.random.default_rng(6)
    ease = random.beta(2, 1, IMAGES) * 0.8
    shifts = (0.2, 0.19, 0.2, 0.0, 0.0, 0.0)
    p_values = searched([trained(random, ease, shift, 2, 0.005) for shift in shifts])
    assert [p < 0.05 for p in p_values] == [False, False, False, True, True, True]
    assert set(ranking.behind(0, [trained(random, ease, s, 1) for s in shifts])) == {1.0}


def test_three_seeds_separate_large_gaps() -> None:
    random = np.random.default_rng(1)
    ease = random.beta(2, 1, IMAGES) * 0.8
    field = [trained(random, ease, shift, 3, noise=0.005) for shift in (0.0, 0.1, 0.1, 0.2)]
    assert tiers(field) == [3, 2, 2, 1]


def test_the_same_images_show_what_other_images_would_not() -> None:
    random = np.random.default_rng(2)
    ease = (random.random(IMAGES) < 0.7) * 0.98  # most images are easy or hard for both
    a, b = (trained(random, ease, shift, 3) for shift in (0.0, 0.02))
    assert tiers([a, b]) == [2, 1]
    others = tuple(ImageScores(one.values, "others") for one in b.by_image)
    elsewhere = Scores(b.means, IMAGES, others, 0.1)
    assert tiers([a, elsewhere]) == [1, 1]


def test_the_variance_over_images_is_that_of_the_shares() -> None:
    random = np.random.default_rng(3)
    a = trained(random, random.beta(2, 1, IMAGES), 0.0, 3)
    b = trained(random, random.beta(2, 1, IMAGES), 0.1, 2)
    shares = [np.mean([answers.values for answers in one.by_image], axis=0) for one in (a, b)]
    field = ranking._Field([a, b])
    expected = np.var(shares[0] - shares[1], ddof=1) / IMAGES
    assert field.difference(0, 1).of_images == pytest.approx(expected, rel=1e-12)


def test_the_order_of_the_seeds_decides_nothing() -> None:
    shares = (0.7013, 0.7131, 0.6987, 0.7211, 0.7003)
    a, b = Scores(shares, 10_000), Scores(shares[::-1], 10_000)
    assert (a.mean, a.of_seeds) == (b.mean, b.of_seeds)


def test_so_many_more_seeds_do_settle_it() -> None:
    shares = {3: ((0.70, 0.72, 0.74), (0.73, 0.75, 0.77))}
    few = [Scores(one, 100_000) for one in shares[3]]
    words = ranking.places(few)[0].open
    assert words == "tier 1 is inconclusive: about 2 more seeds would separate its models"
    # Five seeds a side with the same means and the same variances between seeds.
    spread = np.array([-1, -0.5, 0, 0.5, 1]) * 0.02 * np.sqrt(4 / 2.5)
    assert np.var(spread, ddof=1) == pytest.approx(0.02**2)
    many = [Scores(tuple(mean + spread), 100_000) for mean in (0.72, 0.75)]
    assert tiers(many) == [2, 1]


def test_what_no_number_of_seeds_can_show_is_said() -> None:
    near = [Scores((0.700, 0.702), 1000), Scores((0.701, 0.703), 1000)]
    assert ranking.places(near)[1].open == (
        "tier 1 is inconclusive: even 50 more seeds would not separate them (0.1 % apart on "
        "1,000 test images); train longer, for example twice the epochs"
    )


def test_one_seed_says_nothing_of_the_next() -> None:
    single = [Scores((0.5,), 1000), Scores((0.9,), 1000)]
    assert [(p.tier, p.open) for p in ranking.places(single)] == [
        (1, "tier 1 is inconclusive: at least 2 seeds are needed")
    ] * 2


PUBLISHED_ONE = (
    PROBES["accuracy"]
    .read_setting({"dataset": "folder:photos", "recipe": "pretrained", "image_size": 224})
    .model_dump(mode="json")
)


def accuracy(model: str, seed: int, correct: int, images: int = 1000) -> Any:
    bits = np.arange(images) < correct
    return record(
        model,
        "accuracy",
        seed,
        setting={"dataset": "digits", "image_size": 32},
        details={
            "n_test": images,
            "chance": 0.1,
            "correct": base64.b64encode(np.packbits(bits).tobytes()).decode(),
            "test_labels_sha256": "x",
        },
        top1=correct / images,
    )


@pytest.mark.parametrize("images", [0, -1, "1000", None])
def test_without_a_number_of_test_images_an_accuracy_has_no_interval(images: Any) -> None:
    known = [accuracy("A", seed, correct) for seed, correct in enumerate((900, 904))]
    edited = [replace(one, details={**one.details, "n_test": images}) for one in known]
    (row,) = tables.measured(edited)
    found = row.read("top1@digits/scratch/32px")
    assert (found.value, str(found.verdict)) == (pytest.approx(0.902), "")


def test_the_table_has_tiers_and_says_what_is_open_but_never_ranks_chance() -> None:
    scores = {"A": (900, 904), "B": (902, 906), "C": (600, 604), "Blind": (100, 110)}
    records = [
        accuracy(model, seed, correct)
        for model, seeds in scores.items()
        for seed, correct in enumerate(seeds)
    ]
    report = tables.measured(records)
    found = {row.model: row.read("top1_tier@digits/scratch/32px").value for row in report}
    assert found == {"A": 1, "B": 1, "C": 2, "Blind": None}
    lines = list(remarks(report))
    assert any("tier 1 is inconclusive" in line and line.endswith("(A, B)") for line in lines)
    assert any("Blind (not above chance)" in line for line in lines)
    best = [cell.is_best for cell in layout.cells(report, layout.columns(report)[0])]
    assert best == [False, True, False, False]


def test_what_learnt_nothing_is_not_ranked_by_its_calibration_either() -> None:
    blind = replace(accuracy("Blind", 0, 100), metrics={"top1": 0.1, "top5": 0.5, "ece": 0.001})
    sharp = replace(accuracy("Sharp", 0, 900), metrics={"top1": 0.9, "top5": 0.99, "ece": 0.05})
    report = tables.report([blind, sharp])
    for metric in ("top1", "top5", "ece"):
        verdict = report[f"{metric}_verdict@digits/scratch/32px"][0]
        assert verdict == "unstable: not above chance", metric
    choice = choose(report, minimize="ece")
    assert choice.winner is not None
    assert choice.winner.name == "Sharp"


def test_networks_that_came_trained_are_told_apart_by_their_images() -> None:
    """One fixed network has no seeds to vary: 1,000 images tell 60 from 90 %, not 90 from 90.2."""
    rows = [
        replace(accuracy(model, 0, correct), setting={**PUBLISHED_ONE})
        for model, correct in (("A", 900), ("B", 902), ("C", 600))
    ]
    label = "photos/pretrained"
    report = tables.measured(rows)
    assert [row.read(f"top1_tier@{label}").value for row in report] == [1, 1, 2]
    (line,) = (line for line in remarks(report) if "inconclusive" in line)
    assert "separating 0.2 % takes more than 1,000 test images" in line
    assert "seed" not in line


def test_damaged_details_do_not_stop_a_table() -> None:
    broken = accuracy("A", 0, 900)
    broken.details["correct"] = "not base64!"
    whole = [broken, accuracy("A", 1, 910), accuracy("B", 0, 500), accuracy("B", 1, 510)]
    assert list(tables.report(whole)["top1_tier@digits/scratch/32px"]) == [1, 2]


def test_files_that_were_not_used_stand_below_the_table() -> None:
    problems = [f"red/{n}.jpg: not an image" for n in range(7)]
    one = accuracy("A", 0, 900)
    one.details.update({"n_problems": 7, "problems": problems})
    (line,) = (line for line in remarks(tables.measured([one])) if "not used" in line)
    assert "7 files not used: red/0.jpg: not an image; red/1.jpg" in line
    assert "; and 2 more, see records.jsonl" in line


def test_the_output_that_was_judged_of_several_stands_below_the_table() -> None:
    one = accuracy("A", 0, 900)
    one.details.update({"output": "heads.0", "notes": ["a note"]})
    (line,) = (line for line in remarks(tables.measured([one])) if "evaluated on" in line)
    assert "a note; evaluated on its output 'heads.0'" in line


def test_a_target_that_some_seeds_missed_is_said() -> None:
    both = [accuracy("A", seed, 900) for seed in range(2)]
    for one in both:
        one.setting.update({"target_top1": 0.95, "validation": 0.1})
    both[0].metrics["time_to_target_s"] = 12.0
    (line,) = (line for line in remarks(tables.measured(both)) if "reached" in line)
    assert "1 of 2 seeds reached 95 %" in line
