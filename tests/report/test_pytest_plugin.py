"""The fixture `cnn_budget`, in pytest runs of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cnnbench.errors import UserError
from cnnbench.pytest_plugin.network import tell_apart
from tests.conftest import ROOT
from tests.processes import HANGS_AFTER_S

_TINY = """
def tiny(filters):
    import keras
    layers = [keras.Input((16, 16, 1)), keras.layers.Conv2D(filters, 3, name="first"),
              keras.layers.Flatten(), keras.layers.Dense(2, name="last")]
    return keras.Sequential(layers, name="tiny")
"""


def run(folder: Path, body: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(_TINY + body)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(
        [*command, "test_it.py"], cwd=folder, capture_output=True, text=True, timeout=HANGS_AFTER_S
    )


def test_plugin_imports_nothing_heavy_before_the_fixture_is_used(tmp_path: Path) -> None:
    body = """
import sys
def test_light():
    assert not {"tensorflow", "keras", "pandas", "scipy"} & set(sys.modules)
"""
    done = run(tmp_path, body)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_exceeded_budget_names_the_largest_layer(tmp_path: Path) -> None:
    body = """
def test_small(cnn_budget):
    cnn_budget(tiny(8), params="2k")
def test_fits(cnn_budget):
    cnn_budget(lambda: tiny(4), params="2k")
def test_peak(cnn_budget):
    cnn_budget(tiny(4), activation_infer_peak="1kB")
def test_unknown(cnn_budget):
    cnn_budget(tiny(4), paramz="2k")
def test_unit(cnn_budget):
    cnn_budget(tiny(4), latency_p50={"litert": "15MB"})
def test_model(cnn_budget):
    cnn_budget("LeNet6", params="2k")
"""
    done = run(tmp_path, body)
    assert done.returncode == 1
    assert "5 failed, 1 passed" in done.stdout
    assert "Traceback" not in done.stdout
    assert "another exception" not in done.stdout
    assert "TensorFlow" not in done.stdout
    assert "pytest_plugin" not in done.stdout, "a user's mistake needs no stack"
    assert "cnn_budget: latency_p50[litert]: '15MB' has no unit that fits" in done.stdout
    assert "did you mean 'LeNet5'?" in done.stdout
    # 8 * (9 + 1) + 2 * (14 * 14 * 8 + 1) = 3,218, of which the dense layer has 3,138: 97.5 %.
    assert "tiny exceeds its budget" in done.stdout
    assert "params is 3,218, over the budget of 2,000 by 60.9 %" in done.stdout
    assert "97.5 %" in done.stdout
    assert "limit exceeded at layer 'last'" in done.stdout
    assert "last (Dense)" in done.stdout
    assert "peak at layer 'last'" in done.stdout
    assert "did you mean 'params'?" in done.stdout


@pytest.mark.slow
def test_baseline_is_written_then_compared(tmp_path: Path) -> None:
    as_it_was = "\ndef test_as_it_was(cnn_budget):\n    cnn_budget(tiny(4))\n"
    fatter = "\ndef test_fatter(cnn_budget):\n    cnn_budget(tiny(8))\n"
    option = "--cnnbench-baseline=base/report.csv"
    (tmp_path / "base").mkdir()
    assert "does not exist" in run(tmp_path, as_it_was, option).stderr
    made = run(tmp_path, as_it_was, option, "--cnnbench-update-baseline")
    assert made.returncode == 0, made.stdout
    done = run(tmp_path, as_it_was + fatter, option)
    assert "1 failed, 1 passed" in done.stdout
    assert "tiny is worse than its baseline" in done.stdout
    assert "params was 1,610, is 3,218" in done.stdout


_SIX = """
import pytest
@pytest.mark.parametrize("filters", [1, 2, 3, 4, 5, 6])
def test_it(cnn_budget, filters):
    model = tiny(filters)
    model.name = f"tiny{filters}"
    cnn_budget(model)
"""


@pytest.mark.slow
def test_baseline_does_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    made = {}
    for name, options in (("one", ["-p", "no:xdist"]), ("two", ["-n", "2"])):
        file = tmp_path / f"{name}.csv"
        options += [f"--cnnbench-baseline={file}", "--cnnbench-update-baseline"]
        done = run(tmp_path, _SIX, *options)
        assert "6 passed" in done.stdout, done.stdout
        made[name] = file.read_text()
    models = [line.split(",")[0] for line in made["two"].splitlines()]
    assert models == ["model", *(f"tiny{filters}" for filters in range(1, 7))]
    assert made["one"] == made["two"]


@pytest.mark.slow
def test_crashed_process_loses_only_its_own_test(tmp_path: Path) -> None:
    crash = """
def test_the_last(cnn_budget):
    import os
    cnn_budget(tiny(7))
    os._exit(3)
"""
    file = tmp_path / "base.csv"
    options = ["-n", "2", f"--cnnbench-baseline={file}", "--cnnbench-update-baseline"]
    done = run(tmp_path, _SIX + crash, *options)
    assert "1 failed, 6 passed" in done.stdout, done.stdout
    models = [line.split(",")[0] for line in file.read_text().splitlines()]
    assert models == ["model", *(f"tiny{filters}" for filters in range(1, 7))]


_ODD_KERAS = """
import json, os, pathlib
home = pathlib.Path("keras_home")
home.mkdir()
odd = {"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first"}
(home / "keras.json").write_text(json.dumps({**odd, "backend": "tensorflow"}))
os.environ["KERAS_HOME"] = str(home)
def test_by_name(cnn_budget):
    report = cnn_budget("LeNet5", params="61.8k", macs="417k")
    assert report["weight_bytes"][0] == 4 * report["params"][0]
def test_by_builder(cnn_budget):
    report = cnn_budget(lambda: tiny(4), params="2k")
    assert report["macs"][0] == 14 * 14 * 4 * 9 + 14 * 14 * 4 * 2
def test_afterwards():
    import keras
    assert keras.backend.floatx() == "float16"
    assert keras.backend.image_data_format() == "channels_first"
"""


@pytest.mark.slow
def test_a_named_network_and_a_builder_are_not_changed_by_keras_json(tmp_path: Path) -> None:
    done = run(tmp_path, _ODD_KERAS)
    assert "3 passed" in done.stdout, done.stdout


_TIMED = """
import pytest
@pytest.mark.parametrize("filters", [1, 2])
def test_it(cnn_budget, filters):
    model = tiny(filters)
    model.name = f"tiny{filters}"
    cnn_budget(model, latency_p50={"eager": "10min"}, rounds=1)
"""


@pytest.mark.slow
def test_parallel_tests_time_networks_one_at_a_time(tmp_path: Path) -> None:
    folder = f"--basetemp={tmp_path / 'kept'}"
    done = run(tmp_path, _TIMED, "-n", "2", folder, "-o", "tmp_path_retention_policy=all")
    assert "2 passed" in done.stdout, done.stdout
    journals = sorted((tmp_path / "kept").rglob("records.jsonl"))
    records = [
        [json.loads(line) for line in journal.read_text().splitlines()[1:]] for journal in journals
    ]
    assert [len(of_one) for of_one in records] == [2, 2]  # prepare, and a round
    assert not any(record["details"].get("beside") for of_one in records for record in of_one)
    spans = sorted((one[0]["started"], one[-1]["started"]) for one in records)
    assert spans[0][1] <= spans[1][0]


@pytest.mark.slow
def test_a_live_network_of_keras_2_is_timed_in_keras_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    body = """
def test_live(cnn_budget):
    from tensorflow import keras
    layers = [keras.layers.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential(layers, name="old")
    assert type(model).__module__.startswith("tf_keras")
    report = cnn_budget(model, latency_p50={"eager": "10min"}, rounds=1)
    assert report["latency_mean_s_status@cpu/eager/b1"][0] == "ok"
"""
    done = run(tmp_path, body)
    assert "1 passed" in done.stdout, done.stdout


@pytest.mark.slow
def test_times_are_compared_with_a_reference_in_the_same_test(tmp_path: Path) -> None:
    body = """
def test_ratio(cnn_budget):
    cnn_budget("BasicCNN", relative_to="LeNet5", latency_ratio=2, rounds=2)
def test_absolute(cnn_budget):
    cnn_budget("BasicCNN", latency_p50={"litert": "1us"}, rounds=2)
def test_fine(cnn_budget):
    cnn_budget(tiny(4), latency_p50={"litert": "1s"}, relative_to="LeNet5", latency_ratio=100,
               rounds=2)
"""
    done = run(tmp_path, body)
    assert "2 failed, 1 passed" in done.stdout, done.stdout
    assert "times as long as LeNet5" in done.stdout
    assert "litert: latency_p50 is" in done.stdout


@pytest.mark.slow
def test_documented_example_passes_and_its_message_is_current(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "ci.md").read_text()
    section = page.split("## A budget in the tests")[1].split("\n## ")[0]
    example, message = section.split("```")[1::2]
    example = example.removeprefix("python\n")
    assert run(tmp_path, example).returncode == 0
    broken = run(tmp_path, example.replace('macs="320M"', 'macs="300M"'), "-k", "small")
    assert broken.returncode == 1
    assert message.strip() in broken.stdout


def test_live_network_named_like_its_reference_is_told_apart() -> None:
    live, named = (SimpleNamespace(label="LeNet5", text=t) for t in ("x/LeNet5.keras", "LeNet5"))
    tell_apart([live, named])  # type: ignore[list-item]
    assert (live.label, named.label) == ("LeNet5", "LeNet5 (reference)")
    with pytest.raises(UserError, match="against itself"):
        tell_apart([named, named])  # type: ignore[list-item]
