"""Formats of a report: cnnbench's own, and one of another package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cnnbench as package
from cnnbench.record import FLOAT32
from cnnbench.report import files
from cnnbench.row import Row
from cnnbench.statistics.measurement import Measurement
from tests.records import Book
from tests.test_extras import cnnbench


def test_another_package_adds_a_format(tmp_path: Path) -> None:
    run = Book().static("Small", params=1).static("Large", params=2).write(tmp_path / "run")
    done = cnnbench(tmp_path, "report", str(run), "--format", "names")
    assert (done.stdout, done.returncode) == ("Small\nLarge\n", 0), done.stderr
    without = cnnbench(tmp_path, "report", str(run), "--format", "names", site=None)
    assert without.returncode == 2
    assert "unknown format 'names'" in without.stderr


def test_a_run_prints_as_the_command_line_prints_it(tmp_path: Path) -> None:
    run = Book().static("Small", params=1).write(tmp_path / "run")
    assert f"{package.load(run)}\n" == files.text(run)
    assert len(repr(package.load(run))) < 200


def test_json_has_one_flat_object_per_network(tmp_path: Path) -> None:
    book = Book(seed=1).static("A", params=7).latency("A", 0.01).static("B", params=8)
    run = book.failed("B", "oom", "out of memory").write(tmp_path / "run")
    answer = json.loads(files.text(run, "json"))
    assert answer["environment"]["fingerprint"]["cores"] == 2
    first, second = answer["rows"]
    assert {name: first[name] for name in ("model", "variant", "input_shape", "classes")} == {
        "model": "A", "variant": FLOAT32, "input_shape": "32x32x3", "classes": "10",
    }  # fmt: skip
    assert first["environment"] == answer["environment"]["id"]
    assert first["params"] == 7
    low, value, high = (
        first[f"latency_p50_s{end}@cpu/litert/b1"] for end in ("_ci_low", "", "_ci_high")
    )
    assert low < value < high
    assert first["latency_p50_s_verdict@cpu/litert/b1"] == "stable"
    assert not any("_samples" in name or "_status" in name for name in first)
    assert all(isinstance(cell, str | int | float) for cell in [*first.values(), *second.values()])
    assert second["latency_p50_s_status@cpu/litert/b1"] == "oom: out of memory"
    (only,) = json.loads(files.text(run, "json", metrics=["params"]))["rows"][:1]
    assert "params" in only and "latency_p50_s@cpu/litert/b1" not in only


def test_numbers_have_names_that_experiment_trackers_accept() -> None:
    values = {
        "params": Measurement(7),
        "latency_p50_s@cpu/litert/b1": Measurement(0.01, low=0.009, high=0.011),
        "top1@scenes[px=64,n=1]//x/../scratch": Measurement(0.5),
        "top1@scenes(px=64,n=1)//x/../scratch": Measurement(0.6),
        "loss@d": Measurement(None),
    }
    assert Row("A", FLOAT32, values=values).loggable() == {
        "params": 7.0,
        "latency_p50_s/cpu/litert/b1": 0.01,
        "latency_p50_s_ci_low/cpu/litert/b1": 0.009,
        "latency_p50_s_ci_high/cpu/litert/b1": 0.011,
        "top1/scenes_px_64_n_1_/x/__/scratch": 0.5,
        "top1/scenes_px_64_n_1_/x/__/scratch_": 0.6,
    }


@pytest.mark.parametrize("run", ["mobile", "compression", "localization", "tf_flowers"])
def test_names_of_published_runs_stay_distinct(run: str) -> None:
    from tests.conftest import ROOT

    report = package.load(ROOT / "results" / "published" / run).measured
    for row in report:
        numbers = [one for one in row.values.values() if one.value is not None]
        ends = [end for one in numbers for end in (one.low, one.high) if end is not None]
        found = row.loggable()
        assert len(found) == len(numbers) + len(ends)
        assert not any(name.endswith("_") for name in found)
