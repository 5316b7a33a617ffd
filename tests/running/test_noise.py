"""What the self-test promises, on samples of known truth; and one short run of it."""

from __future__ import annotations

import numpy as np
import pytest

from cnnbench.running import noise
from cnnbench.store import statistics


@pytest.mark.parametrize("rounds", [6, 12])
def test_the_promise_is_what_cells_then_get(rounds: int) -> None:
    rng = np.random.default_rng(0)
    promised = [noise.expected_precision(0.03 * rng.standard_normal(8), rounds) for _ in range(400)]
    got = [
        statistics.estimate(np.exp(0.03 * rng.standard_normal(rounds))).precision
        for _ in range(400)
    ]
    assert np.median(promised) == pytest.approx(np.median(got), rel=0.15)


def test_drift_that_the_reference_shares_costs_nothing() -> None:
    drift = np.array([1.0, 1.2, 0.9, 1.3, 1.1, 1.4, 0.8, 1.0])
    found = noise.judge(0.01 * drift, 0.003 * drift)
    assert found.plain > 0.15
    assert found.corrected == pytest.approx(0, abs=1e-12)
    assert found.rounds_needed == 6
    assert noise.advice(found, 0.0, None) == ["nothing to do: the default settings will do"]


def test_advice_names_what_to_do() -> None:
    wild = [1.0, 2.0, 0.5, 3.0, 1.0, 4.0, 0.3, 1.0]
    busy = [["another process used the CPU (0.90 cores)"]] * 8
    lines = noise.advice(noise.judge(wild, [1.0] * 8, busy), 0.0, "powersave")
    assert lines[0].startswith("other processes use the CPU")
    assert "governor is 'powersave'" in lines[1]
    assert "precision: 10%" in lines[2]


def test_self_test_in_two_processes() -> None:
    done: list[int] = []
    found = noise.self_test(2, done.append)
    assert done == [1, 2]
    assert found.corrected >= 0 and set(found.expected) == {6, 12}
