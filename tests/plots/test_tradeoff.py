"""The trade-off plot: what its specification holds, and the pictures that it becomes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from cnnbench import plots
from cnnbench.cli import group
from cnnbench.errors import UserError

REPORT = pd.DataFrame(
    {
        "model": ["A", "<b>$x$", "C"],
        "variant": "float32",
        "params": [1e6, 2e6, 3e6],
        "macs": [1e8, 2e8, 0],
        "published_top1": [0.7, 0.8, None],
        "latency_p50_s@cpu/litert/b1": [0.01, 0.02, 0.03],
        "latency_p50_s_ci_low@cpu/litert/b1": [0.009, 0.019, None],
        "latency_p50_s_ci_high@cpu/litert/b1": [0.011, 0.022, None],
    }
)
NOT_RANKED = "unstable: not above chance"


def drawn(report: pd.DataFrame, across: str = "", up: str = "") -> str:
    return plots.svg(plots.tradeoff(report, across, up))


def words(svg: str) -> list[str]:
    return [node.text or "" for node in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def spoken(svg: str) -> list[str]:
    """Return the labels of the marks for screen readers."""
    labels = [node.get("aria-label") or "" for node in ET.fromstring(svg).iter()]
    return [label for label in labels if ": " in label]


def specification(**axes: str) -> dict[str, Any]:
    found: dict[str, Any] = plots.tradeoff(REPORT, **axes).to_dict()
    return found


def test_the_specification_has_every_network_with_its_numbers() -> None:
    spec = specification()
    rows = spec["data"]["values"]
    assert [row["network"] for row in rows] == ["A", "<b>$x$", "C"]
    latency = rows[0]["cells"]["latency_p50_s@cpu/litert/b1"]
    assert (latency["value"], latency["low"], latency["high"]) == (0.01, 0.009, 0.011)
    assert latency["fact"] == {"Latency p50 cpu/litert/b1": "10 ms (9 ms to 11 ms)"}
    assert "published_top1" not in rows[2]["cells"]


def test_the_reader_may_choose_among_all_axes_with_a_better_direction() -> None:
    params = {param["name"]: param for param in specification()["params"]}
    assert params["across"]["value"] == "latency_p50_s@cpu/litert/b1"
    assert params["up"]["value"] == "published_top1"
    assert params["across"]["bind"]["options"] == [
        "params", "macs", "published_top1", "latency_p50_s@cpu/litert/b1",
    ]  # fmt: skip
    assert params["across"]["bind"]["labels"][3] == "Latency p50 cpu/litert/b1"


def test_tooltips_tell_the_axes_first_and_intervals_are_drawn() -> None:
    layers = specification()["layer"]
    marks = [layer["mark"] for layer in layers if layer["mark"].get("tooltip")]
    (tooltip,) = [mark["tooltip"]["expr"] for mark in marks]
    assert tooltip.index("cells[up]") < tooltip.index("cells[across]") < tooltip.index("facts")
    encodings = [layer.get("encoding", {}) for layer in layers]
    fields = [{axis: one[axis].get("field") for axis in one} for one in encodings]
    assert any((f.get("x"), f.get("x2")) == ("x_low", "x_high") for f in fields)
    assert any((f.get("y"), f.get("y2")) == ("y_low", "y_high") for f in fields)


def test_the_picture_is_the_same_every_time_and_well_formed() -> None:
    text = drawn(REPORT)
    assert text == drawn(REPORT)
    assert ET.fromstring(text).tag.endswith("svg")
    assert {"A", "<b>$x$"} <= set(words(text))
    assert "<b>" not in text
    assert plots.png(plots.tradeoff(REPORT)).startswith(b"\x89PNG")


def test_networks_that_nothing_beats_are_on_the_front() -> None:
    ties = pd.DataFrame(
        {
            "model": list("ABCDE"),
            "variant": "float32",
            "macs": [1e6, 1e6, 2e6, 3e6, 3e6],
            "top1@x": [0.5, 0.5, 0.6, 0.6, 0.7],
        }
    )
    on_front = [label[0] for label in spoken(drawn(ties, "macs", "top1")) if "Pareto" in label]
    assert sorted(on_front) == ["A", "B", "C", "E"]  # A and B are equal; C beats D


def test_the_axes_can_be_named() -> None:
    for across, up, names in (
        ("params", "macs", {"Params →", "↑ MACs"}),
        ("macs", "params", {"MACs →", "↑ Params"}),
    ):
        assert names <= set(words(drawn(REPORT, across, up)))


def test_axes_are_written_in_their_units() -> None:
    texts = words(drawn(REPORT))
    assert "10 ms" in texts
    assert "74 %" in texts


def test_axes_that_nothing_has_are_an_error() -> None:
    with pytest.raises(UserError, match="no metric 'nothing'"):
        plots.tradeoff(REPORT, "nothing", "macs")
    with pytest.raises(UserError, match="a plot needs two metrics"):
        plots.tradeoff(REPORT[["model", "variant", "params"]])
    with pytest.raises(UserError, match="no network has both"):
        plots.tradeoff(REPORT.assign(params=[None, None, 1e6]), "params", "published_top1")


def test_accuracies_that_are_not_ranked_are_drawn_without_a_front() -> None:
    verdicts = {
        "top1@digits/scratch/8px/1ep": 0.1,
        "top1_verdict@digits/scratch/8px/1ep": NOT_RANKED,
    }
    found = spoken(drawn(REPORT.assign(**verdicts), "params", "top1"))
    assert [label.split(",")[0] for label in found] == ["C", "<b>$x$", "A"]
    assert not any("Pareto" in label for label in found)
    assert all("doubtful" in label for label in found)


def test_the_command_line_writes_both_pictures(tmp_path: Path) -> None:
    table = tmp_path / "report.csv"
    REPORT.to_csv(table, index=False)
    file = tmp_path / "plot.png"
    done = CliRunner().invoke(group, ["report", str(table), "--png", str(file), "--svg", "-"])
    assert done.exit_code == 0, done.output
    assert ET.fromstring(done.stdout).tag.endswith("svg")
    assert file.read_bytes().startswith(b"\x89PNG")
    done = CliRunner().invoke(group, ["report", str(table), "--png", "-"])
    assert done.stdout_bytes.startswith(b"\x89PNG")
