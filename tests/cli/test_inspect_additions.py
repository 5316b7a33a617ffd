"""``cnnbench inspect``: what is predicted and measured beside the counts."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import cnnbench
from cnnbench.analysis.result import AddedTable, Addition, Inspection
from cnnbench.cli import group
from cnnbench.environment import fingerprint
from cnnbench.errors import UserError
from cnnbench.forecast import costs
from cnnbench.forecast.counts import counted
from cnnbench.forecast.forecaster import Forecast
from cnnbench.forecast.forecasts import store
from cnnbench.models import registry
from cnnbench.report import html
from tests.forecast import networks

ADDED = Addition(
    "profile",
    {"seconds": 0.5},
    (("a fact", "of <b>words</b>"),),
    (AddedTable("Times", ("operation", "time"), (("C1", "2 ms"),), 1, "A note."),),
)


@pytest.fixture(scope="module")
def inspected() -> Inspection:
    return replace(cnnbench.inspect("LeNet5"), additions=(ADDED,))


def test_additions_stand_in_text_json_and_page(inspected: Inspection) -> None:
    text = str(inspected).splitlines()
    assert next(line for line in text if line.startswith("a fact")).endswith("of <b>words</b>")
    start = text.index("Times")
    assert text[start + 1].split() == ["operation", "time"]
    assert text[start + 2].split() == ["C1", "2", "ms"]
    assert text[start + 3] == "A note."
    assert inspected.to_json()["profile"] == {"seconds": 0.5}
    page = html.inspection_page(inspected.to_json(), inspected.statement, inspected.additions)
    assert "<h2>Times</h2>" in page
    assert '<td class="text">C1</td><td>2 ms</td>' in page
    assert "of &lt;b&gt;words&lt;/b&gt;" in page


def test_a_network_is_counted_as_a_runtime_executes_it() -> None:
    found = counted(registry.resolve("LeNet5"), (32, 32, 1))
    assert costs.macs(found) == 416_520
    # Three convolutions, two poolings, two dense layers, six tanh and a softmax.
    kinds = Counter(one.kind for one in found)
    assert kinds == {"convolution": 3, "pooling": 2, "dense": 2, "activation": 7}
    larger = counted(registry.resolve("LeNet5"), (36, 36, 1))
    assert costs.macs(larger) > 416_520


def test_predictions_are_shown_where_a_forecast_is_kept_for_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain = CliRunner().invoke(group, ["inspect", "LeNet5"]).stdout
    assert "predicted" not in plain
    made = Forecast.of_table("cpu/litert/b1", "litert", networks.table())
    store(tmp_path / "results", fingerprint(), [made])
    text = CliRunner().invoke(group, ["inspect", "LeNet5"]).stdout
    (line,) = set(text.splitlines()) - set(plain.splitlines())
    assert line.startswith("latency, cpu/litert/b1")
    assert "(predicted from 14 networks measured here; median error" in line
    found = json.loads(CliRunner().invoke(group, ["inspect", "LeNet5", "--json"]).stdout)
    (predicted,) = found["predicted"]
    assert predicted["predicted_s"] > 0
    assert "predicted" not in "".join(found["metrics"])


def test_only_a_model_can_be_profiled_in_a_runtime_that_tells() -> None:
    layer = ["--layer", "Dense(2)", "--input-shape", "4x4x1"]
    for arguments, words in (
        ([*layer, "--profile", "litert"], "a --layer is only counted"),
        (["LeNet5", "--profile", "graph"], "--profile: graph does not tell the time"),
    ):
        error = CliRunner().invoke(group, ["inspect", *arguments]).exception
        assert isinstance(error, UserError)
        assert words in error.one_line()


@pytest.mark.slow
def test_a_profile_is_measured_and_adds_up(tmp_path: Path) -> None:
    done = CliRunner().invoke(group, ["inspect", "LeNet5", "--profile", "litert", "--json"])
    found = json.loads(done.stdout)["profile"]
    assert found["setting"] == "cpu/litert/b1"
    times = [one["seconds"] for one in found["operations"]]
    assert sum(times) == pytest.approx(found["seconds"])
    # Convolutions and dense layers of the network; biases and activations have no MACs.
    assert sum(one["macs"] for one in found["operations"]) == 416_520
