"""Overhead of a suite per job: wall time beyond build, trace, compile, waiting and timed calls.

A latency suite is run through the command line. A job records the duration of its own work
(``details["work_s"]``). The rest is overhead: starting the command and the fork server, importing
TensorFlow and Keras, starting and stopping workers, reading files, writing the journal and the
tables. It must be less than 1 s per job.

    python benchmarks/job_overhead.py [--quick] [MODEL...]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cnnbench.results import journal

SUITE = """name: overhead
models: [%s]
probes:
  latency: {runtimes: [graph, litert], min_rounds: %d, max_rounds: %d}
limits: {timeout: 10min, memory: 8GiB}
"""
MODELS, QUICK = ("LeNet5", "MobileNetV2", "ResNet50"), ("LeNet5",)
MOST_S = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--quick", action="store_true", help="functional check: one small model")
    arguments = parser.parse_args()
    models = arguments.models or (QUICK if arguments.quick else MODELS)
    rounds = 1 if arguments.quick else arguments.rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        suite = folder / "overhead.yaml"
        suite.write_text(SUITE % (", ".join(models), rounds, rounds))
        begin = time.perf_counter()
        command = [sys.executable, "-m", "cnnbench", "run", suite, "--out", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall = time.perf_counter() - begin
        (file,) = folder.glob(f"overhead/*/{journal.FILE_NAME}")
        records = journal.read(file)[1]
    work = sum(float(record.details["work_s"]) for record in records)
    inside = sum(record.duration_s for record in records) - work
    jobs = len(records)
    each = (wall - work) / jobs
    print(f"{jobs} jobs in {wall:.1f} s, of which {work:.1f} s are work")
    print(f"overhead {each:.2f} s per job (of which within jobs {inside / jobs:.2f} s)")
    print(f"{'under' if each < MOST_S else 'NOT under'} {MOST_S:g} s")
    sys.exit(0 if each < MOST_S or arguments.quick else 1)


if __name__ == "__main__":
    main()
