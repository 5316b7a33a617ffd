"""Memory and open file descriptors of one process that runs a suite many times.

Sample both at the start of every run of ``cnnbench run SUITE --repeat N``, and print them with the
size of the run's folder.

    python benchmarks/soak.py [--suite suites/smoke.yaml] [--repeat 50] [--probe static]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Sample:
    """State of the parent process at the start of its ``runs``-th run."""

    runs: int
    memory_bytes: int
    descriptors: int

    @staticmethod
    def words(samples: Sequence[Sample]) -> str:
        """Return the first, a middle and the last sample in one line."""
        chosen = [samples[0], samples[len(samples) // 2], samples[-1]]
        return "; ".join(
            f"run {s.runs}: {s.memory_bytes / 1e6:.1f} MB, {s.descriptors} descriptors"
            for s in chosen
        )


def watch(process: subprocess.Popen[Any], runs: Path) -> list[Sample]:
    """Sample ``process`` until it ends, once for each new run below ``runs``."""
    samples: list[Sample] = []
    while process.poll() is None:
        count = len(list(runs.glob("*/records.jsonl")))
        if count > len(samples):
            try:
                samples.append(_sample(process.pid, count))
            except OSError:
                break  # the process has just ended
        time.sleep(0.05)
    return samples


def _sample(pid: int, runs: int) -> Sample:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    resident = next(line for line in lines if line.startswith("VmRSS:")).split()[1]
    return Sample(runs, int(resident) * 2**10, len(list(Path(f"/proc/{pid}/fd").iterdir())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", type=Path, default=Path("suites/smoke.yaml"))
    parser.add_argument("--repeat", type=int, default=50)
    parser.add_argument("--probe", action="append", default=[])
    options = parser.parse_args()
    name = yaml.safe_load(options.suite.read_text())["name"]
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "cnnbench", "run", str(options.suite), "--out", folder]
        words += ["--repeat", str(options.repeat)]
        for probe in options.probe:
            words += ["--probe", probe]
        clock = time.monotonic()
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            samples = watch(run, Path(folder) / name)
        seconds = time.monotonic() - clock
        print(f"{options.repeat} runs in {seconds:.0f} s, exit code {run.returncode}")
        journals = sorted(Path(folder).glob("*/*/records.jsonl"))
        for sample, file in zip(samples, journals, strict=False):
            size = sum(f.stat().st_size for f in file.parent.rglob("*") if f.is_file())
            print(
                f"  run {sample.runs:3d}: {sample.memory_bytes / 1e6:7.1f} MB, "
                f"{sample.descriptors:3d} descriptors, folder {size / 1e6:.2f} MB"
            )


if __name__ == "__main__":
    main()
