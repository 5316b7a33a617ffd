"""The other charts of a run and of an inspection: their specifications and their pictures."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from cnnbench import plots
from cnnbench.plots import records, theme
from cnnbench.plots.curves import LAYERS
from cnnbench.plots.numbers import tick_label
from cnnbench.results.tables import Run
from cnnbench.units import SCALES
from tests.records import HOSTILE, everything, record

INSPECTION = {
    "layers": [
        {"name": "conv", "type": "Conv2D"}
        | {"macs": 9, "params": 3, "activation_bytes": 8, "live_bytes": 4000},
        {"name": HOSTILE, "type": "Dense"}
        | {"macs": 1, "params": 1, "activation_bytes": 2, "live_bytes": 10},
    ]
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return everything(tmp_path_factory.mktemp("plots") / "suite" / "run")


def data(chart: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = chart.to_dict()["data"]["values"]
    return found


def labels(svg: str) -> list[str]:
    """Return the labels of the marks for screen readers, from a well-formed file."""
    marks = [
        node
        for node in ET.fromstring(svg).iter()
        if node.get("aria-roledescription") not in ("axis", "legend")
    ]
    return [label for node in marks if ": " in (label := node.get("aria-label") or "")]


def test_latencies_have_an_interval_and_a_colour_a_setting(run: Run) -> None:
    chart = plots.latency(run)
    small = [row for row in data(chart) if row["network"] == "Small"]
    assert {"latency_p50_s", "latency_p90_s"} <= {row["what"] for row in small}
    assert {row["series"] for row in small} == {"cpu/litert/b1"}
    # A pooled percentile may be an end of its interval; a mean over the rounds is inside.
    assert all(row["low"] <= row["value"] <= row["high"] for row in small)
    (location,) = [row for row in small if row["what"] == "latency_location_s"]
    assert location["low"] < location["value"] < location["high"]
    assert all(row["low"] < row["high"] for row in small)
    assert len(labels(plots.svg(chart))) == 5


def test_memory_is_measured_and_predicted(run: Run) -> None:
    chart = plots.memory_of_run(run)
    big = {row["series"]: row["value"] for row in data(chart) if row["network"] == "Big"}
    assert big == {"measured": pytest.approx(5e8 / 48), "predicted": 1e7}
    assert len(labels(plots.svg(chart))) == 10


def test_learning_curves_have_a_point_an_epoch_and_seed(run: Run) -> None:
    chart = plots.learning(run)
    params = {param["name"]: param for param in chart.to_dict()["params"]}
    assert params["what"]["bind"]["labels"] == ["training loss", "training accuracy"]
    assert params["what"]["value"] == "top1"
    found = labels(plots.svg(chart))
    assert "Big, seed 0, epoch 1: 80.0 %" in found
    assert len(found) == 5 * 2 * 2


def test_a_timeline_names_its_phases(run: Run) -> None:
    found = labels(plots.svg(plots.timeline(run)))
    assert len(found) == 5 * 3
    assert "Big: batch of 1, began 180 ms, peak in this phase 900 MB, peak 900 MB" in found


def test_a_timeline_leaves_out_phases_of_another_shape() -> None:
    phases = [["opened", 0.1], ["late", "soon"], ["alone"], "words", {"a": 1, "b": 2}]
    samples = {"timeline_s": [0.0, 0.2], "timeline_bytes": [1e6, 2e6]}
    one = record("A", "memory", details={"phases": phases}, samples=samples)
    found = [row["phase"] for row in records.timelines([one]) if "phase" in row]
    assert found == ["opened"]
    one = record("A", "memory", details={"phases": 3}, samples=samples)
    assert not any("phase" in row for row in records.timelines([one]))


def test_a_confusion_matrix_sums_the_seeds(run: Run) -> None:
    found = labels(plots.svg(plots.confusion(run, "Small")))
    assert len(found) == 9
    assert f"cat predicted as {HOSTILE}: 60 of 666" in found
    with pytest.raises(plots.NothingToDraw, match="no confusion matrix of 'Nobody'"):
        plots.confusion(run, "Nobody")


def test_layers_have_a_bar_each() -> None:
    for name in LAYERS:
        assert len(labels(plots.svg(plots.layers(INSPECTION, name)))) == 2
    assert "conv (Conv2D): 4 kB" in labels(plots.svg(plots.layers(INSPECTION, "live_bytes")))


def test_a_run_without_numbers_has_no_charts(run: Run) -> None:
    bare = Run(run.path, run.measured.only(["model", "variant"]))
    for make in (
        plots.latency,
        plots.memory_of_run,
        plots.learning,
        plots.timeline,
        plots.tradeoff,
    ):
        with pytest.raises(plots.NothingToDraw):
            make(bare)


def test_a_page_has_the_theme_once_and_its_colours_are_those_of_its_style(run: Run) -> None:
    found = plots.embedded({"one": plots.confusion(run), "other": plots.latency(run)})
    assert not any("config" in spec for spec in found["charts"].values())
    assert found["config"]["range"]["category"][0] == "var(--c0)"


def test_every_ground_has_the_same_colours() -> None:
    light, dark, page = (theme.colours(ground) for ground in ("light", "dark", "page"))
    assert light.keys() == dark.keys() == page.keys()
    assert not set(light.values()) & set(dark.values())


def test_ticks_use_the_scales_of_units() -> None:
    for scales in SCALES.values():
        for _, name in scales:
            assert name in tick_label("unit")


def test_altair_is_not_loaded_before_a_chart_is_made() -> None:
    program = "import sys, cnnbench.plots; assert not {'altair', 'vl_convert'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
