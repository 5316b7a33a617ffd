"""``suites/smoke.yaml``, killed at random moments and rerun until it completes.

``CNNBENCH_SMOKE_FAULTS`` sets the number of kills (3), ``CNNBENCH_SEED`` repeats a sequence.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from cnnbench.metrics import of_column
from cnnbench.models import registry
from cnnbench.results import journal, tables
from cnnbench.suite import plan as planning
from cnnbench.suite import suite as suites
from tests.chaos.harness import Command, Victim, Workplace, check_journals, check_kept
from tests.conftest import ROOT
from tests.processes import wait_until

SUITE = ROOT / "suites" / "smoke.yaml"
FAULTS = int(os.environ.get("CNNBENCH_SMOKE_FAULTS", "3"))
SEED = int(os.environ.get("CNNBENCH_SEED", "0")) or secrets.randbits(32)
_ONE_JOB_S = 15.0


@pytest.mark.slow
def test_the_smoke_suite_completes_after_repeated_kills(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(SEED)
    place = Workplace(tmp_path, suite=str(SUITE), is_light=False)
    struck: Counter[str] = Counter()
    while struck.total() < FAULTS:
        before = place.journals()
        command = place.start()
        wait_for_a_job(command)
        wait_until(command.is_over, rng.uniform(0, _ONE_JOB_S))
        victim: Victim = rng.choice(["parent", "parent", "worker", "server"])
        if (pid := command.pid(victim)) is None:
            command.end()
            break  # complete before the fault
        os.kill(pid, signal.SIGKILL)
        struck[victim] += 1
        if victim != "parent":
            wait_until(command.is_over, rng.uniform(0, _ONE_JOB_S))
            if (pid := command.pid("parent")) is not None:
                os.kill(pid, signal.SIGKILL)
                struck["parent"] += 1
        command.end()
        assert wait_until(lambda: not place.processes())
        after = place.journals()
        check_kept(before, after)
        check_journals(after)
    before = place.journals()
    clock = time.monotonic()
    ended = place.run()
    seconds = time.monotonic() - clock
    with capsys.disabled():
        print(f"\nseed {SEED}: killed {dict(struck)}; then {seconds:.0f} s to the end")
    assert ended.code == 0, ended.stderr
    check_kept(before, place.journals())
    check_journals(place.journals())
    check_complete(place)


def wait_for_a_job(command: Command) -> None:
    """Wait for a worker, so that kills do not hit the start of Python."""
    wait_until(lambda: command.is_over() or command.pid("worker") is not None)


def check_complete(place: Workplace) -> None:
    """Check one run: every job done once or skipped without a GPU, and the counts are correct."""
    (run,) = (place.results / "smoke").iterdir()
    records = journal.read(run / "records.jsonl")[1]
    ok = Counter(record.key for record in records if record.status == "ok")
    skipped = {record.key for record in records if record.status == "skipped"}
    plan = planning.plan(suites.load(SUITE, registry))
    for cell in plan.cells:
        jobs = list(cell.jobs())
        assert all(ok[job.key] == 1 for job in jobs) or jobs[0].key in skipped, cell.title()
    static = Workplace(place.folder, str(SUITE), out="static", is_light=False)
    assert static.run("--probe", "static").code == 0
    found, counted = tables.load(run).report, tables.load(static.results / "smoke").report
    exact = [name for name in counted.columns if (m := of_column(name)) is not None and m.exact]
    assert exact
    assert found["model"].tolist() == counted["model"].tolist()
    assert found[exact].equals(counted[exact])
