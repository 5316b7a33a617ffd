"""Changes of level, on series made by hand and on seeded simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cnnbench.statistics.change_points import ChangePoint, change_points, spikes

EFFECT = math.log1p(0.05)
TENTH = math.log(1.1)
NOISE = (0.01, -0.01, 0.01, -0.01, 0.01, -0.01)  # mean 0


def changes_of(values: list[float], effect: float = EFFECT) -> list[ChangePoint]:
    (found,) = change_points([values], effect)
    return found


def step(before: int, after: int, size: float = TENTH) -> list[float]:
    """Alternate ±1 % around 0, then around ``size``."""
    return [NOISE[at % 2] + (size if at >= before else 0) for at in range(before + after)]


@pytest.mark.parametrize(("before", "after"), [(6, 6), (10, 4), (4, 10), (20, 2)])
def test_finds_a_step_of_ten_per_cent_at_the_right_run(before: int, after: int) -> None:
    (found,) = changes_of(step(before, after))
    assert found.at == before
    assert found.low < TENTH < found.high
    assert found.difference == pytest.approx(TENTH, abs=0.005)
    assert found.p_adjusted < 0.05
    assert found.is_confirmed and not found.is_gradual


def test_the_test_of_a_step_is_that_of_student_with_a_minimum_effect() -> None:
    """Two levels of 6 runs, 0 and 0.1, each ±0.01: scatter 12 × 0.0001 with 10 degrees of freedom.

    The error is sqrt(0.00012 × (1/6 + 1/6)) = 0.0063246; 0.1 - log 1.05 = 0.05121 is t = 8.097 of
    it, of which p is 5.3e-6. Of 12 runs, 2 to 11 can be before the change: 10 places.
    """
    (found,) = changes_of(step(6, 6, size=0.1))
    assert found.difference == pytest.approx(0.1)
    assert found.high - found.difference == pytest.approx(2.228 * 0.0063246, rel=1e-3)
    from scipy.special import stdtr

    once = stdtr(10, -(0.1 - EFFECT) / 0.0063246)
    assert once == pytest.approx(5.3e-6, rel=0.05)
    # The final family has three segments: this one and its two parts, which hold no change.
    assert 10 * once <= found.p_adjusted <= 3 * 10 * once * 1.01


def test_a_step_within_the_minimum_effect_is_no_change() -> None:
    assert changes_of(step(10, 10, size=math.log(1.04))) == []
    assert len(changes_of(step(10, 10, size=math.log(1.04)), effect=0.0)) == 1


def test_finds_several_steps() -> None:
    up_and_down = [*step(8, 8), *NOISE, *NOISE]
    assert [found.at for found in changes_of(up_and_down)] == [8, 16]
    first, second = changes_of(up_and_down)
    assert first.difference == pytest.approx(-second.difference, abs=0.005)


def test_equal_runs_have_no_change_and_a_step_without_noise_is_exact() -> None:
    assert changes_of([1.0] * 10) == []
    (found,) = changes_of([0.0] * 5 + [1.0] * 5)
    assert (found.at, found.difference, found.low, found.high) == (5, 1.0, 1.0, 1.0)


def test_a_change_at_the_last_run_is_not_confirmed() -> None:
    (found,) = changes_of([*NOISE, *NOISE, math.log(1.2)])
    assert (found.at, found.is_confirmed) == (12, False)
    (confirmed,) = changes_of([*NOISE, *NOISE, math.log(1.2), math.log(1.21)])
    assert (confirmed.at, confirmed.is_confirmed) == (12, True)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_runs_have_no_change(count: int) -> None:
    assert changes_of([0.0, 1.0][:count]) == []


def test_a_slow_drift_is_gradual() -> None:
    drift = [0.012 * at + NOISE[at % 2] / 5 for at in range(20)]
    found = changes_of(drift)
    assert found and all(change.is_gradual for change in found)


def test_one_run_that_stands_out_between_others_is_no_change_of_level() -> None:
    runs = [*NOISE, math.log(1.3), *NOISE]
    assert changes_of(runs) == []
    processes = [[math.exp(level + noise) for noise in NOISE] for level in runs]
    assert spikes(processes, 0.05) == [6]
    assert spikes(processes[:7], 0.05) == [], "the last run may be a change"
    assert spikes([one[:5] for one in processes], 0.05) == [], "too few processes to compare"


def test_a_step_and_two_runs_together_do_not_stand_out() -> None:
    levels = [0.0] * 4 + [TENTH] * 4
    processes = [[math.exp(level + noise) for noise in NOISE] for level in levels]
    assert spikes(processes, 0.05) == []
    pair = [0.0] * 4 + [TENTH] * 2 + [0.0] * 4
    assert spikes([[math.exp(level + n) for n in NOISE] for level in pair], 0.05) == []


def test_many_series_are_one_family() -> None:
    weak = step(4, 2, size=math.log(1.12))
    assert len(change_points([weak], EFFECT)[0]) == 1
    others = [list(np.roll(NOISE, at)) for at in range(60)]
    assert change_points([weak, *others], EFFECT)[0] == []


@pytest.mark.parametrize(("effect", "runs"), [(0.0, 6), (0.0, 20), (EFFECT, 20)])
def test_noise_is_reported_in_at_most_one_of_twenty_histories(effect: float, runs: int) -> None:
    """150 histories of four series, 3 % between runs: at most 5 %, and 3 standard errors."""
    random = np.random.default_rng(14)
    trials = 150
    wrong = sum(
        any(change_points([random.normal(0, 0.03, runs) for _ in range(4)], effect))
        for _ in range(trials)
    )
    assert wrong / trials <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials)


def test_three_runs_on_either_side_usually_show_ten_per_cent() -> None:
    """At 1 % between runs; the page on CI says so."""
    random = np.random.default_rng(14)
    trials = 150
    found = sum(
        [
            change.at
            for change in changes_of([*random.normal(0, 0.01, 3), *random.normal(TENTH, 0.01, 3)])
        ]
        == [3]
        for _ in range(trials)
    )
    assert found / trials > 0.7
