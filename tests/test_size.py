"""Large suites and long runs: the time is linear in their size.

Input four times as large may take at most eight times as long; quadratic time is sixteen.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnbench.report import files
from tests.conftest import ROOT

_spec = importlib.util.spec_from_file_location("size", ROOT / "benchmarks" / "size.py")
assert _spec and _spec.loader
size = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(size)


def cpu_seconds(act: Callable[[], object]) -> float:
    """Return the smallest CPU time of three, which does not depend on the load of the machine."""
    took = []
    for _ in range(3):
        clock = time.process_time()
        act()
        took.append(time.process_time() - clock)
    return min(took)


def test_planning_time_is_linear_in_the_rounds() -> None:
    assert size.jobs_of_large_plan(10) == 40 * 7 * 5 * (10 + 1)
    few, many = (cpu_seconds(lambda n=n: size.jobs_of_large_plan(n)) for n in (10, 40))  # type: ignore[misc]
    assert many < 8 * few


@pytest.mark.slow
def test_reporting_time_is_linear_in_the_records(tmp_path: Path) -> None:
    took = []
    for count in (10_000, 40_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        size.write_run(folder, count)
        took.append(cpu_seconds(lambda folder=folder: files.write(folder)))  # type: ignore[misc]
    assert took[1] < 8 * took[0], took
