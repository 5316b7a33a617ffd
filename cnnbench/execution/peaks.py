"""Measure the peak FLOP/s and bandwidth of this machine, in a fresh process per thread count."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from cnnbench import environment
from cnnbench.environment import usable_cores
from cnnbench.errors import JobFailed, UserError
from cnnbench.results import peaks
from cnnbench.results.peaks import Peak, rate_text
from cnnbench.text import plural

Measure = Callable[[int], Peak]

_BENCHMARK = "cnnbench.execution.peak_benchmark"
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_TIMES_THE_CACHE = 4  # as STREAM demands
_FEWEST_BYTES, _MOST_BYTES = 64 * 2**20, 512 * 2**20  # of one of three arrays
_LAST_LINES = 5  # of the output of a process that failed
# The variables by which the libraries that NumPy may multiply with set their threads.
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def measured(threads: int, module: str = _BENCHMARK) -> Peak:
    """Measure the peaks with a number of threads; takes seconds.

    Args:
        threads: that compute.
        module: run with the number of threads and the bytes of an array as its arguments; prints
            what it measured as JSON.

    Raises:
        JobFailed: the process failed; the message holds the last lines of its stderr.
    """
    process = subprocess.run(
        [sys.executable, "-m", module, str(threads), str(array_bytes())],
        capture_output=True,
        text=True,
        errors="replace",
        env=os.environ | dict.fromkeys(_THREADS, str(threads)),
    )
    if code := process.returncode:
        lines = process.stderr.splitlines()[-_LAST_LINES:]
        raise JobFailed("\n  ".join([f"the benchmark of peaks failed with code {code}:", *lines]))
    return Peak(threads, **json.loads(process.stdout))


def measure_and_keep(
    results: Path,
    report_progress: Callable[[str], None] = lambda message: None,
    measure: Measure = measured,
) -> Iterator[tuple[str, str]]:
    """Measure the peaks with one thread and with all; keep them; yield ``(fact, value)`` of each.

    Args:
        results: the results folder, whose cache gets the file.
        report_progress: takes a line before each measurement.
        measure: returns the peaks with a number of threads.

    Raises:
        UserError: the file cannot be written.
        JobFailed: a measurement failed.
    """
    found = []
    for threads in sorted({1, usable_cores()}):
        report_progress(f"peaks: {plural(threads, 'thread')}")
        peak = measure(threads)
        found.append(peak)
        yield (
            plural(threads, "thread"),
            f"{rate_text(peak.flops_per_s, 'FLOP')}, {rate_text(peak.bytes_per_s, 'B')}",
        )
    try:
        file = peaks.keep(results, environment.fingerprint(), found)
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", str(results)) from error
    yield "kept in", str(file)


def array_bytes(caches: Path = _CACHES) -> int:
    """Return the bytes of one array: four times the largest cache, within bounds."""
    largest = max(map(_bytes, caches.glob("index*/size")), default=0)
    return min(max(_TIMES_THE_CACHE * largest, _FEWEST_BYTES), _MOST_BYTES)


def _bytes(file: Path) -> int:
    """Return the size of a cache, which the system writes as ``32768K``; 0 if it cannot be read."""
    try:
        found = re.fullmatch(r"(\d+)([KMG]?)", file.read_text().strip())
    except OSError:
        return 0
    return int(found[1]) * 1024 ** " KMG".index(found[2] or " ") if found else 0
