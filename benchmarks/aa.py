"""A/A test: run a suite of small networks again and again, and compare all pairs of runs.

Nothing changes between two runs, so at most 1 % of the comparisons may report a difference. With
``--slow`` further runs are made in which every call of one model really takes longer (the worker
busy-waits after the runtime returns): at least 95 % of the comparisons of plain with slow runs must
find it, and report no other cell. How often 20 and 10 % are found is also computed from the plain
runs alone, by scaling the samples of one cell at a time.

``--neighbour`` runs an artificial neighbour beside every run (`benchmarks/neighbours.py`); ``each``
takes its kinds in turn. Rerun the command to resume. Plain and slow runs alternate.

    python benchmarks/aa.py all   [--runs 25] [--neighbour core|cache|disk|each] [--out DIR]
    python benchmarks/aa.py all   --quick    functional check: two runs of two small cells each
    python benchmarks/aa.py plain [--runs 25] [--rounds 12] [--neighbour each] [--out DIR]
    python benchmarks/aa.py slow  [--slow MODEL] [--factor 1.1] [--runs 10] [--out DIR]
    python benchmarks/aa.py judge [--out DIR]
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean as mean

import neighbours

from cnnbench.errors import UserError
from cnnbench.metrics import split
from cnnbench.probes.latency import tiers
from cnnbench.record import PREPARE
from cnnbench.results import journal, tables
from cnnbench.statistics import estimates
from cnnbench.statistics.robust import FEWEST_PROCESSES

SUITE = """name: aa
description: Small networks, run again and again.
models: [%s]
probes:
  latency:
%s
limits: {timeout: 5min, memory: 8GiB}
"""
# Python imports a module ``sitecustomize`` on its path at startup, here in the fork server. Only
# this model's calls are replaced: another Python function would slow a call of 16 us by 10 %.
SLOW = """import time
from cnnbench.probes.latency.runtimes import litert

plain = litert.LiteRT.compile

def compile(self, images=None):
    plain(self, images)
    if self.model.label != {model!r}:
        return
    call = self.call

    def slow(fed):
        begin = time.perf_counter()
        result = call(fed)
        until = begin + {factor} * (time.perf_counter() - begin)
        while time.perf_counter() < until:
            pass
        return result

    self.call = slow

litert.LiteRT.compile = compile
"""
MOBILE = "MobileNetV2[alpha=0.35,input_shape=96x96x3]"
CELLS = (("LeNet5", "litert"), ("BasicCNN", "litert"), (MOBILE, "litert"), (MOBILE, "graph"))
QUICK = CELLS[:2]
LOCATION = "latency_location_s"
CALLED = ("higher", "lower")
# What comparisons are made of: a value a process, by model and setting.
Cells = dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Kind:
    """Runs of one kind: plain, or with one model slowed down."""

    folder: Path
    cells: Sequence[tuple[str, str]]
    rounds: int | None = None
    neighbour: str | None = None
    slow: str = ""
    factor: float = 1.0

    def complete(self) -> int:
        """Return the number of completed runs."""
        return len(read(self.folder))

    def run_once(self, number: int) -> None:
        """Run the suite once with the default settings, or with a fixed number of ``rounds``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = dict(os.environ)
        if self.slow:
            words = SLOW.format(model=self.slow, factor=self.factor)
            (self.folder / "sitecustomize.py").write_text(words)
            environment["PYTHONPATH"] = str(self.folder.resolve())
        suite = self.folder / "aa.yaml"
        suite.write_text(self._suite())
        command = [sys.executable, "-m", "cnnbench", "run", suite, "--fresh", "--out", self.folder]
        kinds = neighbours.KINDS
        kind = kinds[number % len(kinds)] if self.neighbour == "each" else self.neighbour
        with neighbours.beside(kind, seed=number):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)

    def _suite(self) -> str:
        models = dict.fromkeys(model for model, _ in self.cells)
        fixed = f", min_rounds: {self.rounds}, max_rounds: {self.rounds}" if self.rounds else ""
        entries = [
            f'    - {{models: ["{model}"], runtimes: [{runtime}]{fixed}}}'
            for model, runtime in self.cells
        ]
        return SUITE % (", ".join(f'"{model}"' for model in models), "\n".join(entries))


def run(kinds: Sequence[Kind], runs: int) -> None:
    """Make ``runs`` runs of every kind, alternating; existing runs count."""
    for number in range(1, runs + 1):
        for kind in kinds if number % 2 else reversed(kinds):
            if kind.complete() < number:
                print(f"{kind.folder.name}: run {number} of {runs}", file=sys.stderr)
                kind.run_once(number)


def read(out: Path) -> list[Cells]:
    """Return the cells of every complete run."""
    found = []
    for folder in sorted((out / "aa").glob("*/")):
        try:
            report = tables.load(folder).measured
        except UserError:  # begun and not recorded
            continue
        labels = [split(name)[1] for name in report.numbers if split(name)[0] == LOCATION]
        cells: Cells = {
            f"{row.model} {label}": values
            for row in report
            for label in labels
            if (values := tiers.ratios(row, label))
        }
        if cells and min(map(len, cells.values())) >= FEWEST_PROCESSES and _is_done(folder):
            found.append(cells)
    return found


def _is_done(folder: Path) -> bool:
    return (folder / "report.csv").exists()


def minutes(out: Path) -> tuple[float, float]:
    """Mean minutes of a cell before its rounds, and of one of its rounds."""
    records = [
        record
        for file in (out / "aa").glob(f"*/{journal.FILE_NAME}")
        for record in journal.read(file)[1]
    ]
    made = [record.duration_s for record in records if record.repeat == PREPARE]
    rounds = [record.duration_s for record in records if record.repeat != PREPARE]
    return mean(made) / 60, mean(rounds) / 60


def verdicts(base: Cells, new: Cells, slowed: str = "", factor: float = 1.0) -> dict[str, str]:
    """Return the verdict on every cell, with ``slowed`` scaled by ``factor`` on the new side."""
    names = sorted(base.keys() & new.keys())
    pairs = [
        (base[name], [value * (factor if name == slowed else 1) for value in new[name]])
        for name in names
    ]
    compared = estimates.compare(pairs)
    return {name: one.verdict for name, one in zip(names, compared, strict=True)}


def false_alarms(runs: Sequence[Cells]) -> float:
    """Share of all comparisons of equal models that report a difference."""
    return mean(
        [
            said in CALLED
            for base, new in itertools.combinations(runs, 2)
            for said in verdicts(base, new).values()
        ]
    )


def detection(runs: Sequence[Cells], factor: float) -> tuple[dict[str, float], float]:
    """Share of pairs that detect a slow-down, by model, and share that report another model.

    A model that is reported without the slow-down too is not counted: `false_alarms` counts it.
    """
    found: dict[str, list[bool]] = {}
    blamed = []
    for base, new in itertools.combinations(runs, 2):
        before = verdicts(base, new)
        for slowed in before:
            words = verdicts(base, new, slowed, factor)
            found.setdefault(slowed, []).append(words.pop(slowed) == "higher")
            blamed.append(
                any(said in CALLED and said != before[model] for model, said in words.items())
            )
    return {model: mean(calls) for model, calls in found.items()}, mean(blamed)


def really_slow(plain: Sequence[Cells], slow: Sequence[Cells], model: str) -> tuple[float, float]:
    """Share of plain-slow pairs that detect ``model``, and that report another model."""
    found, blamed = [], []
    for base, new in itertools.product(plain, slow):
        words = verdicts(base, new)
        slowed = [said for name, said in words.items() if _is_slowed(name, model)]
        words = {name: said for name, said in words.items() if not _is_slowed(name, model)}
        found += [said == "higher" for said in slowed]
        blamed.append(any(said in CALLED for said in words.values()))
    return mean(found), mean(blamed)


def others_called(runs: Sequence[Cells], model: str) -> float:
    """Share of pairs of plain runs that report a model other than ``model``."""
    return mean(
        [
            any(
                said in CALLED
                for name, said in verdicts(base, new).items()
                if not _is_slowed(name, model)
            )
            for base, new in itertools.combinations(runs, 2)
        ]
    )


def _is_slowed(name: str, model: str) -> bool:
    return name.startswith(f"{model} ") and "/litert/" in name


def judge(out: Path) -> None:
    """Print the results of the runs in ``out``."""
    runs = read(out / "plain")
    if len(runs) < 2:
        sys.exit(f"{out}: {len(runs)} complete runs; at least 2 are required")
    rounds = [len(values) for cells in runs for values in cells.values()]
    pairs = len(runs) * (len(runs) - 1) // 2
    print(f"{len(runs)} runs, {pairs} pairs, {min(rounds)} to {max(rounds)} rounds a cell count")
    print(f"equal cells reported as different: {false_alarms(runs):.1%} (at most 1 %)")
    for folder in sorted(out.glob("slow-*")):
        model, by = folder.name.removeprefix("slow-").rsplit("-", 1)
        slow = read(folder)
        share, blamed = really_slow(runs, slow, model)
        print(
            f"{model} really slower by {by}, {len(slow)} runs: found in {share:.1%} (at least "
            f"95 %); another cell reported in {blamed:.1%} of the pairs, "
            f"in {others_called(runs, model):.1%} without a slow-down"
        )
    before, each = minutes(out / "plain")
    print(f"minutes a cell: {before:.2f} and {each:.3f} a round")
    for factor in (1.2, 1.1):
        found, blamed = detection(runs, factor)
        by_cell = ", ".join(f"{name} {share:.0%}" for name, share in found.items())
        print(
            f"samples times {factor}: found {mean(found.values()):.1%} ({by_cell}), "
            f"another cell reported {blamed:.1%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", choices=["all", "plain", "slow", "judge"], nargs="?", default="all")
    parser.add_argument("--runs", type=int, default=25)
    parser.add_argument("--rounds", type=int, help="fixed number of rounds in every cell")
    parser.add_argument(
        "--slow", default="BasicCNN", metavar="MODEL", help="the model to slow down"
    )
    parser.add_argument("--factor", type=float, default=1.1, help="slow-down factor")
    parser.add_argument("--neighbour", choices=(*neighbours.KINDS, "each"))
    parser.add_argument("--quick", action="store_true", help="two runs of two small cells each")
    parser.add_argument("--out", type=Path, default=Path("results/aa"))
    arguments = parser.parse_args()
    cells, runs, out = CELLS, arguments.runs, arguments.out
    if arguments.quick:
        cells, runs, out = QUICK, 2, out.with_name(f"{out.name}-quick")
    slow, rounds, neighbour = arguments.slow, arguments.rounds, arguments.neighbour
    name = f"slow-{slow}-{arguments.factor:g}"
    kinds = {
        "plain": Kind(out / "plain", cells, rounds, neighbour),
        "slow": Kind(out / name, cells, rounds, neighbour, slow, arguments.factor),
    }
    if arguments.verb != "judge":
        run(list(kinds.values()) if arguments.verb == "all" else [kinds[arguments.verb]], runs)
    judge(out)


if __name__ == "__main__":
    main()
