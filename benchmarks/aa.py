"""Does a run agree with itself? A suite is run several times, and all pairs of runs compared.

Nothing changed between two runs, so at most 5 % of the comparisons may call a difference. With
``--slow MODEL`` further runs are made in which every call of that model really takes longer (the
worker waits, busily, after the runtime has answered): at least 95 % of the comparisons of plain
with slow runs must find 20 %, and blame no other model. How many rounds it takes to find 10 % is
read from the plain runs alone, by multiplying the samples of each model in turn.

Run again, it goes on where it was; runs of both kinds take turns, so that drift hits both alike.

    python benchmarks/aa.py all   [--runs 10] [--slow MobileNetV2] [--factor 1.2] [--out DIR]
    python benchmarks/aa.py all   --quick    is the way clear? two runs of two small models each
    python benchmarks/aa.py plain [--runs 10] [--rounds 12] [--out DIR]
    python benchmarks/aa.py slow  [--slow MobileNetV2] [--factor 1.1] [--runs 10] [--out DIR]
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

from cnnbench.record import PREPARE
from cnnbench.results import journal
from cnnbench.statistics import drift_correction, estimates
from cnnbench.statistics.robust import FEWEST_PROCESSES

SUITE = """name: aa
description: Small models, run again and again.
models: [%s]
probes:
  latency: {runtimes: [litert]%s}
limits: {timeout: 5min, memory: 8GiB}
"""
# Python imports this by itself where it finds it on its path: in the fork server. Only the one
# network's calls are replaced: a second Python function would slow a call of 16 us by a tenth.
SLOW = """import time
from cnnbench.probes.latency.runtimes import litert

plain = litert.Runtime.compile

def compile(self, images):
    plain(self, images)
    if self.subject.label != {model!r}:
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

litert.Runtime.compile = compile
"""
MODELS = ("LeNet5", "BasicCNN", "MobileNetV2", "MobileNetV3Small", "MobileNet")
QUICK = MODELS[:2]
CALLED = ("higher", "lower")
# Location and reference of every process, by model.
Cells = dict[str, list[tuple[float, float]]]


@dataclass(frozen=True)
class Kind:
    """Runs of one kind: plain ones, or with one model made slower."""

    folder: Path
    models: Sequence[str]
    rounds: int | None = None
    slow: str = ""
    factor: float = 1.0

    def complete(self) -> int:
        """How many runs are there already."""
        return len(read(self.folder))

    def run_once(self) -> None:
        """One run under the default settings, or of as many ``rounds``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = dict(os.environ)
        if self.slow:
            words = SLOW.format(model=self.slow, factor=self.factor)
            (self.folder / "sitecustomize.py").write_text(words)
            environment["PYTHONPATH"] = str(self.folder.resolve())
        suite = self.folder / "aa.yaml"
        fixed = f", min_rounds: {self.rounds}, max_rounds: {self.rounds}" if self.rounds else ""
        suite.write_text(SUITE % (", ".join(self.models), fixed))
        command = [sys.executable, "-m", "cnnbench", "run", suite, "--fresh", "--out", self.folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


def run(kinds: Sequence[Kind], runs: int) -> None:
    """Make ``runs`` of every kind, in turns; what is there already counts."""
    for number in range(1, runs + 1):
        for kind in kinds if number % 2 else reversed(kinds):
            if kind.complete() < number:
                print(f"{kind.folder.name}: run {number} of {runs}", file=sys.stderr)
                kind.run_once()


def read(out: Path) -> list[Cells]:
    """The cells of every run that came to its end: one that was cut off proves nothing."""
    found = []
    for file in sorted((out / "aa").glob(f"*/{journal.FILE_NAME}")):
        cells: Cells = {}
        for record in journal.read(file)[1]:
            if record.status == "ok" and "latency_location_s" in record.metrics:
                pair = record.metrics["latency_location_s"], record.metrics["reference_s"]
                cells.setdefault(record.model, []).append(pair)
        if min(map(len, cells.values()), default=0) >= FEWEST_PROCESSES:
            found.append(cells)
    return found


def minutes(out: Path, runs: int) -> tuple[float, float]:
    """What a run took before its rounds, and a round of all its models, on average."""
    records = [
        record
        for file in (out / "aa").glob(f"*/{journal.FILE_NAME}")
        for record in journal.read(file)[1]
    ]
    made = sum(record.duration_s for record in records if record.repeat == PREPARE)
    whole = sum(record.duration_s for record in records if record.repeat != PREPARE)
    rounds = [record for record in records if record.repeat != PREPARE]
    models = len({record.model for record in rounds})
    return made / runs / 60, whole / max(1, len(rounds)) * models / 60


def verdicts(base: Cells, new: Cells, slowed: str = "", factor: float = 1.0) -> dict[str, str]:
    """The verdict on every model, ``slowed`` being slower by ``factor`` on the new side."""
    models = sorted(base.keys() & new.keys())
    pairs = [(ratios(base[m]), ratios(new[m], factor if m == slowed else 1)) for m in models]
    compared = estimates.compare(pairs)
    return {model: one.verdict for model, one in zip(models, compared, strict=True)}


def ratios(processes: Sequence[tuple[float, float]], factor: float = 1.0) -> tuple[float, ...]:
    """Location times ``factor`` ÷ reference of the processes that count."""
    locations, beside = zip(*processes, strict=True)
    return drift_correction.ratios([factor * seconds for seconds in locations], beside)


def false_alarms(runs: Sequence[Cells]) -> float:
    """The share of all comparisons of equal models that call a difference."""
    return mean(
        [
            said in CALLED
            for base, new in itertools.combinations(runs, 2)
            for said in verdicts(base, new).values()
        ]
    )


def detection(runs: Sequence[Cells], factor: float) -> tuple[dict[str, float], float]:
    """Over all pairs: how often a slow-down of a model is found, and how often another is blamed.

    A pair in which another model is called different *without* the slow-down too is no blame: the
    false alarm is counted by `false_alarms`.
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
    """Over all pairs of a plain and a slow run: ``model`` found slower, and another one blamed."""
    found, blamed = [], []
    for base, new in itertools.product(plain, slow):
        words = verdicts(base, new)
        found.append(words.pop(model) == "higher")
        blamed.append(any(said in CALLED for said in words.values()))
    return mean(found), mean(blamed)


def others_called(runs: Sequence[Cells], model: str) -> float:
    """Over all pairs of plain runs: how often a model other than ``model`` is called different."""
    return mean(
        [
            any(said in CALLED for other, said in verdicts(base, new).items() if other != model)
            for base, new in itertools.combinations(runs, 2)
        ]
    )


def judge(out: Path) -> None:
    """Print what the runs in ``out`` show."""
    runs = read(out / "plain")
    if len(runs) < 2:
        sys.exit(f"{out}: {len(runs)} runs, at least 2 are needed")
    rounds = [len(values) for cells in runs for values in cells.values()]
    print(f"{len(runs)} runs, {min(rounds)} to {max(rounds)} rounds a cell")
    print(f"equal models called different: {false_alarms(runs):.1%} (at most 5 %)")
    for folder in sorted(out.glob("slow-*")):
        model, by = folder.name.removeprefix("slow-").rsplit("-", 1)
        slow = read(folder)
        share, blamed = really_slow(runs, slow, model)
        print(
            f"{model} really slower by {by}, {len(slow)} runs: found {share:.1%} (at least "
            f"95 %); another model called different in {blamed:.1%} of the pairs, "
            f"{others_called(runs, model):.1%} where nothing was slowed"
        )
    for factor in (1.2, 1.1):
        found, blamed = detection(runs, factor)
        by_model = ", ".join(f"{model} {share:.0%}" for model, share in found.items())
        print(
            f"samples times {factor}: found {mean(found.values()):.1%} ({by_model}), "
            f"another model blamed {blamed:.1%}"
        )
    before, each = minutes(out / "plain", len(runs))
    print("rounds  minutes a run  equal, called different  20 % found  10 % found")
    for count in range(FEWEST_PROCESSES, min(rounds) + 1):
        cut = [{model: values[:count] for model, values in cells.items()} for cells in runs]
        shares = [false_alarms(cut), *(mean(detection(cut, f)[0].values()) for f in (1.2, 1.1))]
        print(
            f"{count:6}  {before + count * each:13.1f}  {shares[0]:22.1%}  {shares[1]:10.1%}"
            f"  {shares[2]:10.1%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", choices=["all", "plain", "slow", "judge"], nargs="?", default="all")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--rounds", type=int, help="as many in every cell, without stopping early")
    parser.add_argument(
        "--slow", default="MobileNetV2", metavar="MODEL", help="the one made slower"
    )
    parser.add_argument("--factor", type=float, default=1.2, help="by so much")
    parser.add_argument("--quick", action="store_true", help="two runs of two small models each")
    parser.add_argument("--out", type=Path, default=Path("results/aa"))
    arguments = parser.parse_args()
    models, runs, slow, out = MODELS, arguments.runs, arguments.slow, arguments.out
    if arguments.quick:
        models, runs, slow, out = QUICK, 2, QUICK[1], out.with_name(f"{out.name}-quick")
    name = f"slow-{slow}-{arguments.factor:g}"
    kinds = {
        "plain": Kind(out / "plain", models, arguments.rounds),
        "slow": Kind(out / name, models, arguments.rounds, slow, arguments.factor),
    }
    if arguments.verb != "judge":
        run(list(kinds.values()) if arguments.verb == "all" else [kinds[arguments.verb]], runs)
    judge(out)


if __name__ == "__main__":
    main()
