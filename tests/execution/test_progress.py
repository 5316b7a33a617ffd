"""Progress of a run: a bar on a terminal, one line per minute in a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnbench.execution.progress import Progress
from cnnbench.models import registry
from cnnbench.suite import plan as planning
from cnnbench.suite import suite as suites
from tests.conftest import ROOT
from tests.records import record


def test_a_log_gets_a_line_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    now = 1000.0
    plan = planning.plan(suites.load(ROOT / "suites/mobile.yaml", registry))
    jobs = [job for cell in plan.cells for job in cell.jobs()]
    shown = Progress(clock=lambda: now)
    shown.begin(Path("results/mobile/now"), 0, jobs, [])
    for number, job in enumerate(jobs[:8]):
        now += 25
        shown.job_started(job)
        shown.job_ended(job, record(job.cell.model.label, "static"), jobs[number + 1 :])
    now += 61
    for epoch in (1, 2):
        shown.job_progress(jobs[8], f"epoch {epoch}/10")
    shown.close()
    first, *lines = capsys.readouterr().err.splitlines()
    assert first == f"results/mobile/now begins: 0 jobs done, {len(jobs)} to do"
    assert [line.split(" jobs done")[0] for line in lines] == [
        f"{done} of {len(jobs)}" for done in (3, 6, 8)
    ]
    assert lines[-1].endswith(f"now: {jobs[8].title()}: epoch 1/10")
    assert lines[0].endswith(f"last: {jobs[2].title()}")


def test_each_node_of_a_cluster_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    now = 1000.0
    plan = planning.plan(suites.load(ROOT / "suites/mobile.yaml", registry))
    jobs = [job for cell in plan.cells for job in cell.jobs()]
    shown = Progress(clock=lambda: now)
    shown.begin(Path("results/mobile/now"), 0, jobs, [])
    shown.runs_on({"1": "left:1", "2": "right:2"})
    for job in jobs[:3]:
        shown.job_placed(job, "1")
        shown.job_started(job)
    shown.job_ended(jobs[0], record(jobs[0].cell.model.label, "static"), jobs[1:])
    now += 61
    shown.job_progress(jobs[1], "half way")
    shown.close()
    lines = capsys.readouterr().err.splitlines()
    assert lines[-2:] == [
        f"  left:1: {jobs[1].title()}: half way and 1 more job",
        "  right:2: idle",
    ]
