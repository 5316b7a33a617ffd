"""Large suites and long runs: the time grows as they do, and no faster."""

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
    """Of this process, so that a busy machine does not count."""
    clock = time.process_time()
    act()
    return time.process_time() - clock


def test_forty_models_seven_runtimes_five_batch_sizes_ten_rounds_are_planned_in_two_seconds() -> (
    None
):
    assert size.jobs_of_large_plan() == 40 * 7 * 5 * (10 + 1)
    assert cpu_seconds(size.jobs_of_large_plan) < 2


@pytest.mark.slow
def test_a_report_of_four_times_the_records_takes_no_more_than_four_times_as_long(
    tmp_path: Path,
) -> None:
    took = []
    for count in (10_000, 40_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        size.write_run(folder, count)
        took.append(cpu_seconds(lambda folder=folder: files.write(folder)))  # type: ignore[misc]
    assert took[1] < 4 * 1.3 * took[0], took
