"""Many runs of one command: constant memory, no leaked descriptors, linear file sizes.

``CNNBENCH_SOAK`` sets the number of runs (20). Light probes are used; `benchmarks/soak.py` does the
same with `suites/smoke.yaml`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.soak import Sample, watch
from tests.chaos.harness import Workplace

RUNS = int(os.environ.get("CNNBENCH_SOAK", "20"))
# Python's arenas and caches fill in the first runs.
_SETTLED = 5


@pytest.mark.slow
def test_many_runs_leak_no_memory_and_no_descriptors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Workplace.make(tmp_path / "place")
    command = place.start("--repeat", str(RUNS))
    samples = watch(command.process, place.results / "tiny")
    ended = command.end()
    assert ended.code == 0, ended.stderr
    assert f"{RUNS - 1} of {RUNS} runs done" in ended.stderr
    with capsys.disabled():
        print(f"\n{RUNS} runs: {Sample.words(samples)}")
    runs = sorted(place.results.glob("tiny/*/records.jsonl"))
    assert len(runs) == RUNS, "each in a folder of its own"
    sizes = [sum(f.stat().st_size for f in run.parent.rglob("*") if f.is_file()) for run in runs]
    assert max(sizes) < 1.02 * min(sizes), "each as large as the first"
    settled = samples[_SETTLED:]
    early, late = settled[: len(settled) // 2], settled[len(settled) // 2 :]
    assert max(s.memory_bytes for s in late) < 1.05 * max(s.memory_bytes for s in early)
    # The number varies from sample to sample; a leak would grow without limit.
    assert max(s.descriptors for s in late) <= max(s.descriptors for s in early) + 1
    assert not place.processes()
