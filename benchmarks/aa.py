"""Does a run agree with itself? A suite is run several times, and all pairs of runs compared.

Nothing changed between two runs, so at most 5 % of the comparisons may call a difference. With
``--slow MODEL`` further runs are made in which every call of that model really takes longer (the
worker waits, busily, after the runtime has answered): at least 95 % of the comparisons of plain
with slow runs must find 20 %, and blame no other model. How many rounds it takes to find 10 % is
read from the plain runs alone, by multiplying the samples of each model in turn.

    python benchmarks/aa.py run   [--runs 10] [--rounds 12] [--out DIR]
    python benchmarks/aa.py run   --slow MobileNetV2 [--factor 1.2] [--runs 10] [--out DIR]
    python benchmarks/aa.py judge [--out DIR]
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cnnbench.store import journal, statistics

SUITE = """name: aa
description: Five small models, run again and again.
models: [LeNet5, BasicCNN, MobileNetV2, MobileNetV3Small, MobileNet]
probes:
  latency: {runtimes: [litert]%s}
limits: {timeout: 5min, memory: 8GiB}
"""
# Python imports this by itself where it finds it on its path: in the fork server.
SLOW = """import time
from cnnbench.probes.runtimes import litert

plain = litert.Runtime.call

def slow(self, fed):
    begin = time.perf_counter()
    result = plain(self, fed)
    if self.subject.label == {model!r}:
        until = begin + {factor} * (time.perf_counter() - begin)
        while time.perf_counter() < until:
            pass
    return result

litert.Runtime.call = slow
"""
Cells = dict[str, list[float]]


def run(out: Path, runs: int, rounds: int | None, slow: str, factor: float) -> None:
    """Run the suite ``runs`` times, under the default settings where no ``rounds`` are given."""
    out = out / (f"slow-{slow}" if slow else "plain")
    out.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ)
    if slow:
        (out / "sitecustomize.py").write_text(SLOW.format(model=slow, factor=factor))
        environment["PYTHONPATH"] = str(out.resolve())
    suite = out / "aa.yaml"
    fixed = f", min_rounds: {rounds}, max_rounds: {rounds}" if rounds else ""
    suite.write_text(SUITE % fixed)
    for number in range(1, runs + 1):
        print(f"run {number} of {runs}", file=sys.stderr)
        command = [sys.executable, "-m", "cnnbench", "run", suite, "--fresh", "--out", out]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


def read(out: Path) -> list[Cells]:
    """Location ÷ reference of every process, by model, for every run."""
    found = []
    for file in sorted((out / "aa").glob(f"*/{journal.FILE_NAME}")):
        cells: Cells = {}
        for record in journal.read(file)[1]:
            if record.status == "ok" and "latency_location_s" in record.metrics:
                ratio = record.metrics["latency_location_s"] / record.metrics["reference_s"]
                cells.setdefault(record.model, []).append(ratio)
        found.append(cells)
    return found


def verdicts(base: Cells, new: Cells, slowed: str = "", factor: float = 1.0) -> dict[str, str]:
    """The verdict on every model, ``slowed`` being slower by ``factor`` on the new side."""
    models = sorted(base.keys() & new.keys())
    pairs = [(base[m], [v * (factor if m == slowed else 1) for v in new[m]]) for m in models]
    compared = statistics.compare(pairs)
    return {model: one.verdict for model, one in zip(models, compared, strict=True)}


def false_alarms(runs: Sequence[Cells]) -> float:
    """The share of all comparisons of equal models that call a difference."""
    calls = [
        words in ("higher", "lower")
        for base, new in itertools.combinations(runs, 2)
        for words in verdicts(base, new).values()
    ]
    return sum(calls) / len(calls)


def detection(runs: Sequence[Cells], factor: float) -> tuple[float, float]:
    """Over all pairs and models: how often a slow-down is found, and how often another is blamed.

    A pair in which another model is called different *without* the slow-down too is no blame: the
    false alarm is counted by `false_alarms`.
    """
    found, blamed = [], []
    for base, new in itertools.combinations(runs, 2):
        before = verdicts(base, new)
        for slowed in before:
            words = verdicts(base, new, slowed, factor)
            found.append(words.pop(slowed) == "higher")
            blamed.append(
                any(
                    said in ("higher", "lower") and said != before[model]
                    for model, said in words.items()
                )
            )
    return sum(found) / len(found), sum(blamed) / len(blamed)


def really_slow(plain: Sequence[Cells], slow: Sequence[Cells], model: str) -> tuple[float, float]:
    """Over all pairs of a plain and a slow run: ``model`` found slower, and another one blamed."""
    found, blamed = [], []
    for base, new in itertools.product(plain, slow):
        words = verdicts(base, new)
        found.append(words.pop(model) == "higher")
        blamed.append(any(said in ("higher", "lower") for said in words.values()))
    return sum(found) / len(found), sum(blamed) / len(blamed)


def judge(out: Path) -> None:
    """Print what the runs in ``out`` show."""
    runs = read(out / "plain")
    if len(runs) < 2:
        sys.exit(f"{out}: {len(runs)} runs, at least 2 are needed")
    rounds = [len(values) for cells in runs for values in cells.values()]
    print(f"{len(runs)} runs, {min(rounds)} to {max(rounds)} rounds a cell")
    print(f"equal models called different: {false_alarms(runs):.1%} (at most 5 %)")
    for folder in sorted(out.glob("slow-*")):
        model = folder.name.removeprefix("slow-")
        found, blamed = really_slow(runs, read(folder), model)
        print(f"{model} really slower: found {found:.1%}, another model blamed {blamed:.1%}")
    for factor in (1.2, 1.1):
        found, blamed = detection(runs, factor)
        print(f"samples times {factor}: found {found:.1%}, another model blamed {blamed:.1%}")
    print("rounds  equal, called different  20 % found  10 % found")
    for count in range(statistics.FEWEST_PROCESSES, min(rounds) + 1):
        cut = [{model: values[:count] for model, values in cells.items()} for cells in runs]
        shares = [false_alarms(cut), detection(cut, 1.2)[0], detection(cut, 1.1)[0]]
        print(f"{count:6}  {shares[0]:22.1%}  {shares[1]:10.1%}  {shares[2]:10.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=["run", "judge"])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--rounds", type=int, help="as many in every cell, without stopping early")
    parser.add_argument("--slow", default="", metavar="MODEL", help="make this one slower")
    parser.add_argument("--factor", type=float, default=1.2, help="by so much")
    parser.add_argument("--out", type=Path, default=Path("results/aa"))
    arguments = parser.parse_args()
    if arguments.verb == "run":
        run(arguments.out, arguments.runs, arguments.rounds, arguments.slow, arguments.factor)
    judge(arguments.out)


if __name__ == "__main__":
    main()
