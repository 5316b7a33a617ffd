"""Shards of a suite in folders that share nothing: resumed, merged, and equal to the whole run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from cnnbench.execution import runner
from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.execution.runner import Observer
from cnnbench.metrics import METRICS, split
from cnnbench.results import tables
from cnnbench.results.merged_runs import merge_runs
from cnnbench.results.report import DRIFTING
from cnnbench.suite.plan import Plan
from cnnbench.suite.shards import Shard
from tests.execution.fake import FakeExecutor
from tests.processes import HANGS_AFTER_S
from tests.suite.fake import plan_of

SUITE = """
name: tiny
models: [Alpha, Beta, MobileNetV2]
probes:
  static: {batch_sizes: [1, 32]}
  latency: {runtimes: [graph, litert], min_rounds: 6, max_rounds: 6}
"""


def answer(request: JobRequest) -> JobResult:
    """Return numbers that the request alone decides."""
    if request.probe == "static":
        return JobResult("ok", metrics={"params": 100.0 * len(request.model)})
    seconds = len(request.model) * (
        1 + 0.01 * (request.repeat if request.repeat != "prepare" else 0)
    )
    return JobResult("ok", metrics={"latency_location_s": seconds, "reference_s": 1e-3})


def measured(plan: Plan, out: Path, shard: str = "1/1", host: str = "") -> Path:
    number, count = map(int, shard.split("/"))
    cells = Shard(number, count).part(plan.cells)
    executor = FakeExecutor(answer, host=host)
    return runner.run(plan, cells, out, Observer(), executor=executor).folder


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_merged_shards_are_the_whole_run(order: tuple[int, ...], tmp_path: Path) -> None:
    plan = plan_of(SUITE)
    whole = tables.load(measured(plan, tmp_path / "whole", host="a")).measured.to_csv()
    runs = [measured(plan, tmp_path / str(n), f"{n}/3", host="a") for n in order]
    merge_runs(runs, tmp_path / "merged")
    assert tables.load(tmp_path / "merged").measured.to_csv() == whole
    assert (tmp_path / "merged" / "suite.yaml").read_text() == plan.suite.source.text


def test_a_shard_continues_its_run(tmp_path: Path) -> None:
    plan = plan_of(SUITE)
    first = measured(plan, tmp_path, "1/2", host="a")
    before = (first / "records.jsonl").read_text()
    assert measured(plan, tmp_path, "1/2", host="a") == first
    assert (first / "records.jsonl").read_text() == before
    assert measured(plan, tmp_path, "2/2", host="a") == first, "the rest of the same run"


def test_shards_of_several_hosts_name_the_host_of_every_timed_column(tmp_path: Path) -> None:
    plan = plan_of(SUITE)
    runs = [measured(plan, tmp_path / str(n), f"{n}/3", host=f"host {n}") for n in (1, 2, 3)]
    merge_runs(runs, tmp_path / "merged")
    found = tables.load(tmp_path / "merged").measured
    timed = [name for name in found.numbers if split(name)[0] == "latency_location_s"]
    assert len(timed) == 2 and all("/on=host-" in name for name in timed)
    assert "params" in found.numbers, "counts are the same on every machine"
    assert all(len(row.get(name).samples) == 6 for row in found for name in timed)


SMALL = """
name: small
models: [LeNet5, "LeNet5[classes=7]", BasicCNN]
probes:
  static: {batch_sizes: [1, 4]}
  accuracy: {models: [LeNet5, BasicCNN], dataset: digits, image_size: 28, epochs: 1, seeds: 1}
"""


@pytest.mark.slow
def test_shards_run_as_processes_and_merged_are_the_whole_run(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)

    def cnnbench(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "cnnbench", *arguments],
            cwd=tmp_path, capture_output=True, text=True, timeout=HANGS_AFTER_S,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def table(folder: Path) -> pd.DataFrame:
        frame = pd.read_csv(next(folder.rglob("report.csv")))
        units = {name: METRICS[split(name)[0]].unit for name in frame if split(name)[0] in METRICS}
        timed = {split(name)[0] for name, unit in units.items() if unit in DRIFTING}
        return frame[[n for n in frame if not split(n)[0].startswith(tuple(timed))]]

    cnnbench("run", "small.yaml", "--out", "whole")
    for shard in ("1/2", "2/2"):
        dry = cnnbench(
            "run", "small.yaml", "--out", f"part{shard[0]}", "--shard", shard, "--dry-run"
        )
        assert dry.startswith(f"shard {shard}: ")
        cnnbench("run", "small.yaml", "--out", f"part{shard[0]}", "--shard", shard)
    cnnbench("merge", "part2/small", "part1/small", "--out", "merged")
    pd.testing.assert_frame_equal(table(tmp_path / "merged"), table(tmp_path / "whole"))
    ids = {json.loads(f.read_text())["id"] for f in tmp_path.rglob("environment*.json")}
    assert len(ids) == 1
    assert "LeNet5" in cnnbench("report", "merged")
    chosen = cnnbench("choose", "merged", "--minimize", "params")
    assert chosen == cnnbench("choose", "whole/small", "--minimize", "params")
