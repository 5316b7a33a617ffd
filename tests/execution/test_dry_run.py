"""``cnnbench run --dry-run``: single jobs if they are few, else a summary that fits a terminal."""

from __future__ import annotations

from pathlib import Path

from cnnbench.execution import dry_run, runner
from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.execution.runner import Observer
from cnnbench.models import registry
from cnnbench.suite import suite as suites
from cnnbench.suite import yaml_source
from cnnbench.suite.plan import Plan, plan
from tests.execution.fake import FakeExecutor

ONE_SETTING = """
name: wide
models: [{grid: MobileNetV2, alpha: [0.35, 0.5], input_shape: [96, 128, 160, 192]}, LeNet5]
probes:
  static: {batch_sizes: [1, 32]}
  latency: {runtimes: [litert], precision: 5%}
"""
MANY_SETTINGS = """
name: many
models: [{grid: MobileNetV2, alpha: [0.35, 0.5], input_shape: [96, 128, 160, 192]}, LeNet5]
probes:
  static: {batch_sizes: [1, 32]}
  latency: {runtimes: [graph, litert], batch_sizes: [1, 2, 3, 4, 5, 6, 7, 8, 9], precision: 5%}
"""


def planned(text: str) -> Plan:
    return plan(suites.check(yaml_source.parse(text, "s.yaml"), registry))


def text(plan: Plan, out: Path, repeats: int = 1) -> list[str]:
    return list(dry_run.lines(plan, plan.cells, out, FakeExecutor(), repeats=repeats))


def measured(plan: Plan, out: Path, fails_at: str = "") -> None:
    """Run the counting jobs of a plan; those of a model that contains ``fails_at`` fail."""

    def outcome(request: JobRequest) -> JobResult:
        is_broken = bool(fails_at) and fails_at in request.model
        return (
            JobResult("failed", "broken") if is_broken else JobResult("ok", metrics={"macs": 1.0})
        )

    cells = [cell for cell in plan.cells if cell.probe == "static"]
    runner.run(plan, cells, out, Observer(), executor=FakeExecutor(outcome))


def test_a_summary_counts_models_settings_and_repeats(tmp_path: Path) -> None:
    assert text(planned(ONE_SETTING), tmp_path) == [
        "9 models, 27 cells:",
        "Done  To do     Time  Models      Repeats  What",
        "   0      9  unknown       9            1  static b1",
        "   0      9  unknown       9            1  static b32",
        "   0     63  unknown       9  6-12 rounds  latency cpu/litert/b1",
        "models: LeNet5, MobileNetV2 (8)",
        "0 jobs done, 81 to do",
        "no estimate: no comparable job has run here",
    ]


def test_what_is_done_and_what_failed_is_counted_and_timed(tmp_path: Path) -> None:
    plan = planned(ONE_SETTING)
    measured(plan, tmp_path, fails_at="LeNet5")
    lines = text(plan, tmp_path)
    assert [line.split()[:2] for line in lines[2:5]] == [["8", "1"], ["8", "1"], ["0", "63"]]
    assert [line.split()[-2:] for line in lines[2:4]] == [["static", "b1"], ["static", "b32"]]
    assert "unknown" not in lines[2] and "unknown" in lines[4]
    assert lines[-3:-1] == [
        "16 jobs done, 65 to do",
        "2 jobs of these failed before: to be tried again",
    ]


def test_many_settings_are_counted_by_probe_and_listed_below(tmp_path: Path) -> None:
    lines = text(planned(MANY_SETTINGS), tmp_path)
    assert lines[2:6] == [
        "   0     18  unknown       9            1  static 2 settings",
        "   0   1134  unknown       9  6-12 rounds  latency 18 settings",
        "static: b1, b32",
        "latency: cpu/graph/b1, cpu/graph/b2, cpu/graph/b3, cpu/graph/b4, cpu/graph/b5,",
    ]
    assert lines[-2] == "0 jobs done, 1152 to do"


def test_a_summary_of_hundreds_of_jobs_fits_a_screen(tmp_path: Path) -> None:
    for suite in (ONE_SETTING, MANY_SETTINGS):
        lines = text(
            planned(suite.replace("0.35, 0.5", "0.35, 0.5, 0.75, 1.0, 1.3, 1.4")), tmp_path
        )
        assert len(lines) <= 30
        assert max(map(len, lines)) <= 80
        assert "…" not in "".join(lines)


def test_few_jobs_are_listed_one_by_one(tmp_path: Path) -> None:
    plan = planned("name: few\nmodels: [LeNet5, BasicCNN]\nprobes: {static: {batch_sizes: [1, 2]}}")
    measured(plan, tmp_path, fails_at="BasicCNN")
    lines = text(plan, tmp_path)
    assert lines[:5] == [
        "done   LeNet5 static b1",
        "done   LeNet5 static b2",
        "to do  BasicCNN static b1",
        "to do  BasicCNN static b2",
        "2 jobs done, 2 to do",
    ]


def test_several_runs_are_of_all_jobs(tmp_path: Path) -> None:
    plan = planned("name: few\nmodels: [LeNet5]\nprobes: {static: }")
    measured(plan, tmp_path)
    assert text(plan, tmp_path, repeats=3)[:2] == [
        "to do  LeNet5 static b1",
        "0 jobs done, 1 to do in each of 3 runs",
    ]
