"""Models with a head from the shell: listed, inspected, run, reported, chosen from, compared."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cnnbench.cli import group
from cnnbench.errors import UserError
from tests.conftest import ROOT

LENET, CHANGED = "LeNet5+box", "LeNet5[modern=true]+box[classes=3]"
PARAMS = {LENET: 156 + 2_416 + 48_120 + 121 * 14, CHANGED: 156 + 2_416 + 48_120 + 121 * 7}
SUITE = f"""
name: boxes
models: [LeNet5, {LENET}, "{CHANGED}"]
probes: {{static: {{batch_sizes: [1]}}}}
"""
NETS = """
import keras

def plain(input_shape=(8, 8, 1), classes=2):
    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten()])
"""


def called(*words: str) -> Result:
    return CliRunner().invoke(group, words)


def cnnbench(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cnnbench", *words],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip


# models --------------------------------------------------------------------------------------


def test_heads_are_listed_with_their_task_and_how_to_name_a_model() -> None:
    lines = called("models", "--task", "localization").stdout.splitlines()
    assert lines[0].split() == ["Head", "Task"]
    assert "+box  localization  a class and a box from the pooled features" in lines
    assert lines[-1] == ("A head goes on any backbone: BACKBONE+HEAD, for example MobileNetV2+box.")
    everything = called("models").stdout
    assert "LeNet5" in everything
    assert lines[-1] in everything


@pytest.mark.parametrize("name", ["box", "+box", "BOX"])
def test_a_head_is_found_by_its_name(name: str) -> None:
    assert "+box  localization" in called("models", name).stdout
    listed = json.loads(called("models", name, "--json").stdout)
    assert listed[-1]["name"] == "+box"


def test_heads_are_entries_of_the_source_head_in_json() -> None:
    listed = json.loads(called("models", "--json").stdout)
    (box,) = (entry for entry in listed if entry["name"] == "+box")
    expected = {"family": "head", "task": "localization", "source": "head", "params": None}
    assert expected.items() <= box.items()
    assert box.keys() >= {"name", "family", "year", "task", "input_shape", "params", "source"}
    assert {"LeNet5", "+box"} <= {entry["name"] for entry in listed}


def test_a_family_has_no_heads() -> None:
    assert "+box" not in called("models", "--family", "LeNet").stdout


def test_an_unknown_task_is_compared_with_those_of_heads() -> None:
    error = called("models", "--task", "localisation").exception
    assert "did you mean 'localization'?" in str(error)


# inspect -------------------------------------------------------------------------------------


def test_inspect_counts_the_whole() -> None:
    found = json.loads(called("inspect", LENET, "--json").stdout)
    assert found["model"] == LENET
    assert found["metrics"]["params"] == PARAMS[LENET]
    assert found["metrics"]["macs"] == 117_600 + 240_000 + 48_000 + 120 * 14
    layers = {layer["name"]: layer for layer in found["layers"]}
    assert layers["task_head_boxes"]["params"] == 121 * 4
    assert layers["task_head_classes"]["macs"] == 1_200
    assert found["uncounted_ops"] == []


def test_inspect_prints_layers_a_table_and_the_largest_batch() -> None:
    shown = called("inspect", LENET, "--layers").stdout
    assert "task_head_pool" in shown
    rows = list(csv.DictReader(io.StringIO(called("inspect", LENET, "--csv", "-").stdout)))
    assert [row["params"] for row in rows if row["name"] == "task_head_boxes"] == [str(121 * 4)]
    # Weights once; for each image 5,880 floats are alive at the peak.
    largest = (10_000_000 - 4 * PARAMS[LENET]) // (4 * 5_880)
    fit = json.loads(called("inspect", LENET, "--fit", "10MB", "--json").stdout)
    assert fit["metrics"]["max_batch"] == largest
    batch = json.loads(called("inspect", LENET, "--batch", "3", "--json").stdout)
    assert batch["metrics"]["activation_infer_peak_bytes"] == 3 * 4 * 5_880


def test_inspect_takes_another_input_for_the_whole() -> None:
    found = json.loads(called("inspect", LENET, "--input-shape", "64x64x1", "--json").stdout)
    assert found["input_shape"] == [64, 64, 1]
    assert found["metrics"]["params"] == PARAMS[LENET]  # pooled globally


def test_inspect_refuses_a_network_that_cannot_leave_its_top_off(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETS)
    error = called("inspect", f"{tmp_path / 'nets.py'}:plain+box").exception
    assert isinstance(error, UserError)
    assert "cannot leave its top off, which +box needs" in str(error)


# a suite -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run of the suite in ``results/``."""
    place = tmp_path_factory.mktemp("heads")
    (place / "boxes.yaml").write_text(SUITE)
    done = cnnbench(place, "run", "boxes.yaml")
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in the folder: commands that measure nothing run in this process, which is faster."""
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.slow
def test_a_suite_counts_networks_with_heads(folder: Path) -> None:
    (report,) = folder.glob("results/boxes/*/report.csv")
    with report.open(newline="") as lines:
        rows = {row["model"]: row for row in csv.DictReader(lines)}
    assert list(rows) == ["LeNet5", LENET, CHANGED]
    assert {name: int(rows[name]["params"]) for name in PARAMS} == PARAMS
    assert (rows[CHANGED]["classes"], rows[CHANGED]["input_shape"]) == ("3", "32x32x1")


def test_only_selects_a_model_with_a_head_by_label_or_as_written(here: Path) -> None:
    for name in (LENET, CHANGED):
        done = called("run", "boxes.yaml", "--dry-run", "--only", name)
        assert done.exit_code == 0, done.output
        others = {"LeNet5", LENET, CHANGED} - {name}
        jobs = [line for line in done.stdout.splitlines() if " static " in line]
        assert jobs, done.stdout
        assert all(name in line for line in jobs)
        assert not any(f" {other} " in line for other in others for line in jobs)


@pytest.mark.parametrize("form", ["text", "md", "csv", "json"])
def test_a_report_shows_the_whole_name(here: Path, form: str) -> None:
    done = called("report", "results/boxes", "--format", form)
    assert done.exit_code == 0, done.output
    unbroken = "".join(done.stdout.split())
    assert LENET in unbroken
    assert CHANGED in unbroken


def test_a_page_shows_the_whole_name(here: Path) -> None:
    done = called("report", "results/boxes", "--html", "page.html")
    assert done.exit_code == 0, done.output
    assert CHANGED in (here / "page.html").read_text()


def test_choose_names_a_network_with_a_head(here: Path) -> None:
    done = called("choose", "results/boxes", "--minimize", "params", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["winner"]["model"] == CHANGED
    assert {one["model"] for one in found["candidates"]} == {"LeNet5", LENET, CHANGED}


def test_compare_joins_networks_with_heads(folder: Path) -> None:
    (report,) = folder.glob("results/boxes/*/report.csv")
    grown = report.read_text().replace(f",{PARAMS[LENET]},", f",{PARAMS[LENET] + 1000},")
    assert grown != report.read_text()
    (folder / "new.csv").write_text(grown)
    done = cnnbench(folder, "compare", str(report), "new.csv", "--metric", "params", "--json")
    assert done.returncode == 1, done.stderr
    rows = {row["model"]: row for row in json.loads(done.stdout)["rows"]}
    assert rows[LENET]["new"] - rows[LENET]["base"] == 1000
    assert rows[CHANGED]["new"] == rows[CHANGED]["base"]


def test_mistakes_in_names_are_reported_together_with_their_lines(tmp_path: Path) -> None:
    names = ["LeNet5+bx", "'LeNet5[classes=3]+box'", "'MobileNetV2+box[input_shape=16x16x3]'"]
    lines = "".join(f"- {name}\n" for name in names)
    (tmp_path / "s.yaml").write_text(f"name: s\nmodels:\n{lines}probes: {{static: {{}}}}\n")
    done = cnnbench(tmp_path, "run", "s.yaml", "--dry-run")
    assert done.returncode == 2
    shown = done.stderr
    assert "s.yaml:3" in shown
    assert "unknown head 'bx' (did you mean 'box'?)" in shown
    assert "(write LeNet5+box[classes=3])" in shown
    assert "MobileNetV2 cannot be built at 16x16x3" in shown


@pytest.mark.slow
def test_a_budget_is_checked_of_the_whole(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(f"""
def test_fits(cnn_budget):
    cnn_budget("{LENET}", params={PARAMS[LENET]})
def test_exceeds(cnn_budget):
    cnn_budget("{LENET}", params={PARAMS[LENET] - 1})
""")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert f"{LENET} exceeds its budget" in done.stdout
