"""The picture for a README."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pandas as pd
import pytest
from cnnbench.report.plots import tradeoff_svg

from cnnbench.errors import UserError

REPORT = pd.DataFrame(
    {
        "model": ["A", "<b>$x$", "C"],
        "variant": "float32",
        "params": [1e6, 2e6, 3e6],
        "macs": [1e8, 2e8, 0],
        "published_top1": [0.7, 0.8, None],
        "latency_p50_s@cpu/litert/b1": [0.01, 0.02, 0.03],
    }
)

UNSETTLED = "unstable: not above chance"


def test_the_picture_is_the_same_every_time_and_well_formed() -> None:
    text = tradeoff_svg(REPORT)
    assert text == tradeoff_svg(REPORT)
    assert ET.fromstring(text).tag.endswith("svg")
    assert "A" in text
    assert "<b>" not in text


def test_the_axes_can_be_named() -> None:
    one, other = tradeoff_svg(REPORT, "params", "macs"), tradeoff_svg(REPORT, "macs", "params")
    for text, axes in ((one, ["Params", "MACs"]), (other, ["MACs", "Params"])):
        comments = [line.strip() for line in text.splitlines() if line.strip().startswith("<!--")]
        labels = [line[5:-4] for line in comments if line[5:-4] in ("Params", "MACs")]
        assert labels == axes, "matplotlib draws the x axis first, and names it in a comment"


def test_axes_that_nothing_has_are_an_error() -> None:
    with pytest.raises(UserError, match="no metric 'nothing'"):
        tradeoff_svg(REPORT, "nothing", "macs")
    with pytest.raises(UserError, match="no top1 in this report"):
        tradeoff_svg(REPORT.drop(columns="published_top1"))
    with pytest.raises(UserError, match="no network has both"):
        tradeoff_svg(REPORT.iloc[2:], "params", "published_top1")


def test_accuracies_that_are_not_ranked_are_drawn_without_a_front() -> None:
    verdicts = {
        "top1@digits/scratch/8px/1ep": 0.1,
        "top1_verdict@digits/scratch/8px/1ep": UNSETTLED,
    }
    text = tradeoff_svg(REPORT.assign(**verdicts), "params", "top1")
    assert ET.fromstring(text).tag.endswith("svg")
    assert "A" in text
