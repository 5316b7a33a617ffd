"""Time and memory to plan a large suite and to report a long run.

A suite of 40 models × 7 runtimes × 5 batch sizes × 10 rounds is planned. A run of 100,000 synthetic
records (of the same cells, with 30 calls each) is read, tabulated and reported in a separate
process, whose peak memory is printed.

    python benchmarks/size.py [--records 100000]
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from cnnbench.execution import runner
from cnnbench.models import registry
from cnnbench.record import PREPARE, Record
from cnnbench.results import tables
from cnnbench.results.journal import FILE_NAME, Header
from cnnbench.suite import plan as planning
from cnnbench.suite import suite as suites
from cnnbench.suite import yaml_source
from cnnbench.suite.plan import Plan

MODELS, BATCH_SIZES, ROUNDS = 40, [1, 2, 4, 8, 16], 10
_CALLS = 30
# Named, so that the size stays the same when a runtime is added.
_RUNTIMES = ["predict", "eager", "graph", "xla", "litert", "onnxruntime", "openvino"]

_T = TypeVar("_T")


def large_plan(rounds: int = ROUNDS) -> Plan:
    """Return the plan of the large suite, parsed from text like any other."""
    latency = {
        "runtimes": _RUNTIMES,
        "batch_sizes": BATCH_SIZES,
        "min_rounds": rounds,
        "max_rounds": rounds,
    }
    models = registry.names()[:MODELS]
    document = {"name": "large", "models": models, "probes": {"latency": latency}}
    return planning.plan(suites.check(yaml_source.parse(json.dumps(document), "large"), registry))


def jobs_of_large_plan(rounds: int = ROUNDS) -> int:
    """Return the number of jobs to run after planning, keying and scheduling."""
    plan = large_plan(rounds)
    return len(list(runner.todo(plan, plan.cells, [], None).left()))


def made_up(count: int) -> Iterator[Record]:
    """Yield synthetic records of a run of the large suite, round by round."""
    rng = random.Random(0)
    cells = large_plan().cells
    rounds = itertools.chain([PREPARE], range(count))
    places = ((repeat, cell) for repeat in rounds for cell in cells)
    for repeat, cell in itertools.islice(places, count):
        seconds = rng.lognormvariate(-4, 0.1)
        timed = {
            "latency_location_s": seconds,
            "latency_mean_s": seconds,
            "latency_p50_s": seconds,
            "reference_s": 1e-3,
            "throughput_per_s": 1 / seconds,
            "first_call_s": 2 * seconds,
        }
        is_made = repeat == PREPARE
        yield Record(
            key=f"{cell.key}{repeat}",
            attempt=1,
            model=cell.model.label,
            variant=cell.variant,
            probe=cell.probe,
            setting=cell.setting_json,
            repeat=repeat,
            status="ok",
            reason="",
            input_shape=tuple(cell.model.input_shape),
            classes=cell.model.classes,
            metrics={"convert_s": 1.0} if is_made else timed,
            samples={} if is_made else {"latency_s": [seconds] * _CALLS},
            details={"flags": [], "precision": 0.05},
            environment="made-up",
            started="2026-01-01T00:00:00+00:00",
            duration_s=1.0,
        )


def write_run(folder: Path, count: int) -> None:
    """Write a run's folder with ``count`` records."""
    with (folder / FILE_NAME).open("w", encoding="utf-8") as file:
        file.write(Header(plan="large", environment="made-up", cnnbench="0").to_json() + "\n")
        for record in made_up(count):
            file.write(record.to_json() + "\n")


def _report(folder: Path) -> None:
    """Read, tabulate and report one run; print the times and the peak memory."""
    from cnnbench.report import files

    run = _timed("read and tabulated", lambda: tables.load(folder))
    print(f"  {len(run.records):,} rows of records, {run.report.shape[1]:,} columns of the report")
    _timed("all files written", lambda: files.write(folder))
    text = _timed("shown as text", lambda: files.text(folder))
    print(f"  {len(text.splitlines()):,} lines")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"peak memory: {peak / 1e6:,.0f} MB")


def _timed(what: str, act: Callable[[], _T]) -> _T:
    clock, processor = time.perf_counter(), time.process_time()
    result = act()
    seconds, of_cpu = time.perf_counter() - clock, time.process_time() - processor
    print(f"{what}: {seconds:.2f} s ({of_cpu:.2f} s of CPU)", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.report:
        _report(options.report)
        return
    jobs = _timed("planned", jobs_of_large_plan)
    print(f"  {jobs:,} jobs")
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder), options.records)
        size = (Path(folder) / FILE_NAME).stat().st_size
        print(f"a journal of {options.records:,} records, {size / 1e6:.0f} MB")
        subprocess.run([sys.executable, __file__, "--report", folder], check=True)


if __name__ == "__main__":
    main()
