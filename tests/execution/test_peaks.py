"""The benchmark of peaks, without waiting for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnbench import environment
from cnnbench.errors import JobFailed, UserError
from cnnbench.execution import peak_benchmark
from cnnbench.execution.peaks import array_bytes, measure_and_keep, measured
from cnnbench.results import peaks
from cnnbench.results.peaks import Peak


def fake(threads: int) -> Peak:
    return Peak(threads, 1e11 * threads, 2e9)


def test_peaks_with_one_thread_and_with_all_are_kept(tmp_path: Path) -> None:
    seen: list[str] = []
    lines = dict(measure_and_keep(tmp_path, seen.append, fake))
    assert lines["1 thread"] == "100 GFLOP/s, 2 GB/s"
    kept = peaks.known(tmp_path, environment.fingerprint())
    assert kept[0] == fake(1) and kept[-1] == fake(environment.usable_cores())
    assert Path(lines["kept in"]).is_relative_to(tmp_path / ".cache" / "peaks")
    assert seen[0] == "peaks: 1 thread"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        list(measure_and_keep(tmp_path / "file", measure=fake))


def test_a_process_that_fails_is_reported() -> None:
    with pytest.raises(JobFailed, match="No module named"):
        measured(1, module="cnnbench.no_such_benchmark")


def test_arrays_are_four_times_the_largest_cache(tmp_path: Path) -> None:
    assert array_bytes(tmp_path) == 64 * 2**20  # unknown
    for index, size in enumerate(("32K", "2M", "36608K")):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(f"{size}\n")
    assert array_bytes(tmp_path) == 4 * 36608 * 1024
    (tmp_path / "index2" / "size").write_text("1G\n")
    assert array_bytes(tmp_path) == 512 * 2**20


def test_the_benchmark_measures_rates() -> None:
    assert peak_benchmark.flops_per_s(side=32, seconds=0.0) > 0
    assert peak_benchmark.bytes_per_s(2, array_bytes=8000, seconds=0.0) > 0
