"""Random faults over many short runs: after each, the same command gives the complete table.

``CNNBENCH_FAULTS`` sets their number, ``CNNBENCH_SEED`` repeats a failed sequence.
"""

from __future__ import annotations

import os
import random
import re
import secrets
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.chaos import faults
from tests.chaos.faults import Fault
from tests.chaos.harness import Ended, Workplace, check_journals, check_kept
from tests.processes import wait_until

FAULTS = int(os.environ.get("CNNBENCH_FAULTS", "40"))
SEED = int(os.environ.get("CNNBENCH_SEED", "0")) or secrets.randbits(32)


@pytest.mark.slow
def test_a_run_is_complete_after_random_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(SEED)
    clock = faults.wrong_clock(tmp_path)
    variables = faults.preloaded(clock)
    undisturbed, seconds = measure_undisturbed(Workplace.make(tmp_path / "undisturbed", variables))
    with faults.small_disk(tmp_path / "probe") as can_mount:
        makers = faults.all_faults(can_mount, clock)
    struck: Counter[str] = Counter()
    missed = 0
    with capsys.disabled():
        print(f"\nseed {SEED}, {FAULTS} faults, a run takes {seconds:.1f} s")
        if not can_mount:
            print("no full disk, no read-only folder: this user cannot mount")
        if clock is None:
            print("no clock jump: no C compiler (cc) here")
    trial = 0
    try:
        while struck.total() < FAULTS:
            trial += 1
            workplace = Workplace.make(tmp_path / f"trial{trial}", variables)
            where = f"seed {SEED}, trial {trial}"
            with faults.small_disk(workplace.results) if can_mount else nullcontext():
                for _ in range(rng.choice([1, 1, 2])):
                    fault = rng.choice(makers)(rng)
                    clock_start = time.monotonic()
                    if strike(workplace, fault, rng.uniform(0, seconds), f"{where}: {fault.name}"):
                        struck[fault.name] += 1
                    else:  # the run ended before the fault
                        missed += 1
                        seconds = min(seconds, time.monotonic() - clock_start)
                complete(workplace, undisturbed, where)
            workplace.remove()
    finally:
        with capsys.disabled():
            print(f"{struck.total()} faults in {trial} trials ({missed} more came too late):")
            for name, count in sorted(struck.items()):
                print(f"  {count:4d}  {name}")


# An interrupt may arrive before `cnnbench.cli.main` is reached.
_IN_MAIN = re.compile(r'cnnbench/cli/__init__\.py", line \d+, in main')


def measure_undisturbed(workplace: Workplace) -> tuple[dict[str, str], float]:
    """Return the expected table of every run, and the duration of a run."""
    workplace.run()
    clock = time.monotonic()
    ended = workplace.run("--fresh")
    assert ended.code == 0, ended.stderr
    return tables(workplace, ended), time.monotonic() - clock


def strike(workplace: Workplace, fault: Fault, delay: float, where: str) -> bool:
    """Run the suite, inject the fault after ``delay`` seconds, and check the folder."""
    fault.arrange(workplace)
    before = workplace.journals()
    command = workplace.start()
    wait_until(command.is_over, delay)
    has_struck = fault.strike(command)
    ended = command.end()
    fault.mend(workplace)
    # Before `main` is reached, or without memory, the message is Python's.
    if fault.leaves_words and _IN_MAIN.search(ended.stderr):
        assert "Traceback" not in ended.stderr, f"{where}\n{ended.stderr}"
    assert ended.code in fault.codes, f"{where}: exit code {ended.code}\n{ended.stderr}"
    gone = wait_until(lambda: not workplace.processes())
    assert gone, f"{where}: processes {workplace.processes()} are left behind"
    after = workplace.journals()
    check_kept(before, after)
    check_journals(after)
    return has_struck


def complete(workplace: Workplace, undisturbed: dict[str, str], where: str) -> None:
    """Rerun the command; check that it completes with the same table as an undisturbed run."""
    before = workplace.journals()
    ended = workplace.run()
    assert ended.code == 0, f"{where}\n{ended.stderr}"
    check_kept(before, workplace.journals())
    check_journals(workplace.journals())
    found = tables(workplace, ended)
    for name, text in undisturbed.items():
        assert found[name] == text, f"{where}: {name} is another"


def tables(workplace: Workplace, ended: Ended) -> dict[str, str]:
    """Return the output, and the report of the newest run."""
    newest = max(workplace.results.glob("tiny/*/report.csv"))
    return {
        "stdout": ended.stdout,
        "report.csv": newest.read_text(),
        "report.md": (newest.parent / "report.md").read_text(),
    }
