"""``cnnbench report``: formats, files, sections, and options that exclude each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cnnbench.cli import group
from cnnbench.cli.report import command
from cnnbench.errors import UserError
from cnnbench.report.sections import NEEDS
from tests.conftest import ROOT

RUN = str(ROOT / "results" / "published" / "table_14_3")


def _report(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["report", RUN, *arguments])


def test_every_section_can_be_asked_for() -> None:
    (option,) = (one for one in command.params if one.name == "section")
    assert set(option.type.choices) == set(NEEDS)  # type: ignore[attr-defined]


def test_prints_a_single_section() -> None:
    found = _report("--section", "call_paths").stdout
    assert found.startswith("How the runtime changes the ranking\n")
    assert "Published and measured figures" not in found
    assert _report("--section", "published", "--format", "md").stdout.startswith("## Published")


def test_html_goes_to_the_file_and_only_the_requested_format_to_stdout(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    alone = _report("--html", str(page))
    assert (alone.stdout, alone.stderr) == ("", f"Written: {page}\n")
    assert page.read_text().startswith("<!doctype html>")
    for asked in (["--section", "published"], ["--format", "md"]):
        both = _report("--html", str(page), *asked)
        assert both.stdout == _report(*asked).stdout != ""


def test_a_csv_of_one_metric_can_be_compared(tmp_path: Path) -> None:
    asked = _report("--metric", "latency_p50@cpu/graph/b1", "--format", "csv").stdout
    names = [name for name in asked.splitlines()[0].split(",") if "@" in name]
    assert names == [
        f"latency_p50_s{companion}@cpu/graph/b1"
        for companion in ("", "_ci_high", "_ci_low", "_samples", "_status", "_verdict")
    ] + ["reference_s_samples@cpu/graph/b1"], "else no other run's times could be compared with"
    for at in ("before.csv", "after.csv"):
        (tmp_path / at).write_text(asked)
    both = (str(tmp_path / "before.csv"), str(tmp_path / "after.csv"))
    assert CliRunner().invoke(group, ["compare", *both]).exit_code == 0


def test_accepts_an_abbreviated_metric_name() -> None:
    asked = _report("--metric", "param", "--format", "csv").stdout
    assert asked == _report("--metric", "params", "--format", "csv").stdout


def test_rejects_a_metric_that_the_report_does_not_have() -> None:
    for form in ("text", "md", "csv"):
        error = _report("--metric", "latency_p7", "--format", form).exception
        assert isinstance(error, UserError)
        assert "no metric 'latency_p7' in this table" in error.one_line()


def test_an_unknown_format_suggests_the_nearest() -> None:
    error = _report("--format", "jsn").exception
    assert isinstance(error, UserError)
    assert "--format: unknown format 'jsn' (did you mean" in error.one_line()


def test_json_has_a_flat_row_per_network() -> None:
    found = json.loads(_report("--format", "json", "--metric", "latency_p50@cpu/graph/b1").stdout)
    assert found["environment"]["fingerprint"]
    row = found["rows"][0]
    value, low, high = (
        row[f"latency_p50_s{end}@cpu/graph/b1"] for end in ("", "_ci_low", "_ci_high")
    )
    assert low <= value <= high
    assert not any(isinstance(one, dict | list) for one in row.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--x", "params"], "--x and --y are the axes of --svg FILE"),
        (["--section", "published", "--format", "csv"], "--section is text or md"),
        (["--section", "published", "--metric", "params"], "has no columns to choose"),
    ],
)
def test_rejects_options_that_exclude_each_other(arguments: list[str], message: str) -> None:
    found = _report(*arguments)
    assert found.exit_code == 2
    assert message in found.stderr
