"""Forecasts of the noise self-test on samples with known spread, and one short self-test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cnnbench.errors import JobFailed
from cnnbench.execution import noise
from cnnbench.statistics import estimates


@pytest.mark.parametrize("rounds", [6, 12])
def test_the_forecast_precision_is_what_cells_reach(rounds: int) -> None:
    rng = np.random.default_rng(0)
    promised = [noise.expected_precision(0.03 * rng.standard_normal(8), rounds) for _ in range(400)]
    got = [
        estimates.estimate(np.exp(0.03 * rng.standard_normal(rounds))).precision for _ in range(400)
    ]
    assert np.median(promised) == pytest.approx(np.median(got), rel=0.15)


def test_advice_says_what_to_do() -> None:
    wild = [1.0, 2.0, 0.5, 3.0, 1.0, 4.0, 0.3, 1.0]
    busy = [["another process used the CPU (0.90 cores)"]] * 8
    lines = noise.advice(noise.judge(wild, busy), 0.0, "powersave")
    assert lines[0].startswith("other processes use the CPU")
    assert "governor is 'powersave'" in lines[1]
    assert lines[2].startswith("run `cnnbench doctor` again")
    spread_out = noise.judge([1.0, 1.5, 0.6, 2.0, 1.0, 1.8, 0.5, 1.2])
    (line,) = noise.advice(spread_out, 0.0, None)
    assert "precision: 10%" in line


STEADY = [1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 1.01, 0.99]


def test_one_disturbed_process_changes_neither_spread_nor_forecast() -> None:
    """It takes ten times as long: the standard deviation is 81 %, but the others differ by 1 %."""
    wild = [*STEADY[:-1], 10.0]
    found, steady = noise.judge(wild), noise.judge(STEADY)
    assert np.log(wild).std(ddof=1) > 0.8
    # Deviations from the median: 0, 0, 1, 1, 1, 1, 2, 2 % without it, whose median is 1 %.
    assert steady.spread == pytest.approx(1.4826 * 0.01, rel=0.02)
    assert found.spread == pytest.approx(steady.spread, rel=0.6)
    assert found.why_not == () and found.expected[6] < 2 * steady.expected[6] < 0.06


@pytest.mark.parametrize(
    ("locations", "flags", "why"),
    [
        (
            [*STEADY[:6], 3.0, 9.0],
            [],
            "2 of 8 processes deviate from the median by more than 7%",
        ),
        (
            [*STEADY[:5], 1.2, 1.2, 1.2],
            [],
            "3 of 8 processes deviate from the median by more than 14%",
        ),
        (
            STEADY,
            [["another process used the CPU (0.4 cores)"]] * 3 + [[]] * 5,
            "another process used the CPU in 3 of 8 rounds",
        ),
    ],
)
def test_makes_no_forecast_from_disturbed_samples(
    locations: list[float], flags: list[list[str]], why: str
) -> None:
    found = noise.judge(locations, flags)
    assert found.expected == {} and found.rounds_needed is None
    assert found.why_not[0] == why
    assert noise.advice(found, 0.0, None)[-1].endswith("latencies would be unstable now")


def test_forecasts_the_less_precise_of_two_metrics() -> None:
    medians = [1.00, 1.05, 0.95, 1.10, 0.90, 1.00, 1.05, 0.95]
    both, alone = noise.judge(STEADY, (), medians), noise.judge(medians)
    assert both.expected == alone.expected and both.spread < alone.spread


def test_a_process_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "".join(f"print('line {n}', file=sys.stderr)\n" for n in range(9))
    (tmp_path / "failing.py").write_text(f"import sys\n{lines}raise SystemExit('no BLAS here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done: list[int] = []
    with pytest.raises(JobFailed) as failed:
        noise.self_test(2, done.append, module="failing")
    assert str(failed.value).splitlines() == [
        "the noise self-test failed with exit code 1:",
        *(f"  line {n}" for n in range(5, 9)),
        "  no BLAS here",
    ]
    assert done == []


def test_a_process_that_is_killed_is_named_by_its_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "killed.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(JobFailed, match="signal 9"):
        noise.self_test(1, module="killed")


@pytest.mark.slow
def test_runs_the_self_test_in_two_processes() -> None:
    done: list[int] = []
    found = noise.self_test(2, done.append)
    assert done == [1, 2]
    assert found.spread >= 0 and (set(found.expected) == {6, 12} or found.why_not)
