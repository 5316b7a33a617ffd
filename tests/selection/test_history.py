"""History of metrics over runs in folders."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cnnbench import plots
from cnnbench.errors import UserError
from cnnbench.report.html import history_page
from cnnbench.selection.history import History, find_runs, history
from cnnbench.selection.history.text import as_text
from tests.records import FACTS, Book

OLDER, NEWER = {**FACTS, "kernel": "6.1"}, {**FACTS, "kernel": "6.2"}
LATENCY = "latency_location"


def written(
    folder: Path,
    fill: Callable[[Book, int], object],
    count: int,
    facts: Callable[[int], Mapping[str, object]] = lambda day: OLDER,
) -> Path:
    """Write ``count`` runs of the suite ``mobile``, one a day, and return the folder."""
    for day in range(1, count + 1):
        book = Book(dict(facts(day)), seed=day)
        fill(book, day)
        run = book.write(folder / "mobile" / f"202601{day:02d}T100000Z")
        journal = run / "records.jsonl"
        started = f"2026-01-{day:02d}T10:00"
        journal.write_text(journal.read_text().replace("2026-01-01T00:00", started))
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A is 10 % slower from day 7 on; day 4 stands out; the kernel changes on day 11."""

    def fill(book: Book, day: int) -> None:
        slower = 1.1 if day >= 7 else 1.0
        book.latency("A", 0.010 * slower * (1.3 if day == 4 else 1.0), rounds=6)
        book.latency("B", 0.020, rounds=6)
        book.static("A", macs=100 + (day >= 5)).static("B", macs=200)

    folder = tmp_path_factory.mktemp("results")
    return written(folder, fill, 12, lambda day: NEWER if day >= 11 else OLDER)


@pytest.fixture(scope="module")
def joined(results: Path) -> History:
    return history(results, metrics=[LATENCY], accept=["kernel"])


def test_finds_the_run_at_which_a_latency_changed(joined: History) -> None:
    slower, steady = joined.series
    (change,) = slower.changes
    assert (change.run, change.before) == (
        "mobile/20260107T100000Z",
        "mobile/20260106T100000Z",
    )
    assert change.verdict == "worse" and change.is_confirmed and not change.is_gradual
    assert change.ratio == pytest.approx(1.1, rel=0.02)
    assert change.ratio_ci is not None and change.ratio_ci[0] < 1.1 < change.ratio_ci[1]
    assert steady.changes == ()


def test_a_run_that_stands_out_belongs_to_no_level(joined: History) -> None:
    points = joined.series[0].points
    assert [point.run for point in points if point.stands_out] == ["mobile/20260104T100000Z"]
    before, after = (next(p.level for p in points if p.date.day == day) for day in (1, 12))
    assert after / before == pytest.approx(1.1, rel=0.02)


def test_corrected_values_are_without_the_drift_of_the_machine(joined: History) -> None:
    """The machine drifts by 20 % between processes, the network by 1 %."""
    points = joined.series[1].points
    plain = [point.found.value or 0 for point in points]
    corrected = [point.corrected or 0 for point in points]
    assert max(plain) / min(plain) > 1.1 > 1.05 > max(corrected) / min(corrected)
    assert all((p.low or 0) < (p.corrected or 0) < (p.high or 0) for p in points)


def test_times_of_another_environment_are_a_series_of_their_own(results: Path) -> None:
    found = history(results, metrics=[LATENCY], models=["a"])
    assert [len(one.points) for one in found.series] == [10, 2]
    first, second = found.environments
    assert (first.runs, first.differences) == (10, ())
    assert (second.runs, second.differences) == (2, ("kernel: 6.1 -> 6.2",))
    lines = as_text(found).splitlines()
    assert f"  {second.ids[0]}: 2 runs: kernel: 6.1 -> 6.2" in lines
    assert "1 of them have fewer than 3 runs, too few to test" in lines
    assert any(line.startswith("2 environments; times of each are series") for line in lines)


def test_counts_change_at_any_difference_in_any_environment(results: Path) -> None:
    found = history(results, metrics=["macs"])
    (change,) = found.changes
    assert (change.run, change.verdict) == ("mobile/20260105T100000Z", "worse")
    assert (change.difference, change.p_adjusted, change.ratio) == (1, None, 1.01)
    assert [len(one.points) for one in found.series] == [12, 12]
    assert history(results, metrics=["macs"], thresholds={"macs": "2%"}).changes == ()


def test_accuracies_change_in_points(tmp_path: Path) -> None:
    def fill(book: Book, day: int) -> None:
        book.accuracy("A", [0.80 + 0.001 * (day % 2) - (0.05 if day > 5 else 0)] * 2)

    results = written(tmp_path, fill, 10)
    (change,) = history(results, metrics=["top1"]).changes
    assert (change.run, change.verdict, change.ratio) == ("mobile/20260106T100000Z", "worse", None)
    assert change.difference == pytest.approx(-0.05, abs=0.001)
    assert history(results, metrics=["top1"], thresholds={"top1": "6%"}).changes == ()
    assert "worse: -5.0 %, p = " in str(history(results, metrics=["top1"]))


def test_a_failed_run_is_named(tmp_path: Path) -> None:
    def fill(book: Book, day: int) -> None:
        if day == 2:
            book.failed("A", "oom", "out of memory at 2 GiB")
        else:
            book.latency("A", 0.01, rounds=6)

    found = history(written(tmp_path, fill, 4), metrics=["latency_p50"])
    (one,) = found.series
    assert one.absent == ("mobile/20260102T100000Z: oom: out of memory at 2 GiB",)
    assert len(one.points) == 3
    assert "no value in mobile/20260102T100000Z: oom" in str(found)


def test_text_has_a_row_per_run_and_a_line_per_change(joined: History) -> None:
    lines = as_text(joined).splitlines()
    assert lines[0] == "Latency location cpu/litert/b1, A"
    head, *rows = lines[1:14]
    assert head.split() == ["Date", "(UTC)", "Run", "Value", "Drift-corrected", "Change"]
    assert [row[:16] for row in rows[:12]] == [f"2026-01-{day:02d} 10:00" for day in range(1, 13)]
    assert "stands out from the runs before and after" in rows[3]
    assert "worse: +" in rows[6]
    assert lines[-1] == "1 change in 2 series"
    assert lines[-2].startswith("Latency location cpu/litert/b1, A: mobile/20260107T100000Z: worse")


def test_many_series_without_a_change_are_one_line_each(tmp_path: Path) -> None:
    def fill(book: Book, day: int) -> None:
        for name in "ABCDEFG":
            book.static(name, macs=5 + (name == "A" and day == 3))

    lines = as_text(history(written(tmp_path, fill, 3), metrics=["macs"])).splitlines()
    assert lines[0] == "MACs, A"
    assert "No change in 6 series:" in lines
    assert "  MACs, G: 3 runs, last 5" in lines


def test_runs_are_found_in_a_run_a_suite_and_several_suites(results: Path) -> None:
    suite = results / "mobile"
    run = suite / "20260101T100000Z"
    assert [len(find_runs([one])) for one in (results, suite, run)] == [12, 12, 1]
    assert len(find_runs([results, suite, run])) == 12, "each run counts once"
    dates = [one.date.day for one in find_runs([results])]
    assert dates == sorted(dates)


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ({"metrics": ["latensy"]}, r"no metric 'latensy'"),
        ({"metrics": ["macs"], "models": ["AA"]}, r"--model: no model 'AA' in these runs"),
        ({"metrics": ["macs"], "accept": ["kernal"]}, r"--accept kernal: unknown fact.*kernel"),
        ({"metrics": ["macs"], "threshold": "150%"}, "between 0 and 100"),
    ],
)
def test_mistakes_are_explained(
    results: Path, wanted: dict[str, list[str]], complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint):
        history(results / "mobile" / "20260101T100000Z", **wanted)  # type: ignore[arg-type]


def test_folders_without_runs_are_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no run in it \(no records\.jsonl\)"):
        find_runs([tmp_path])
    with pytest.raises(UserError, match="no such folder"):
        find_runs([tmp_path / "gone"])
    Book().static("A", macs=1).write(tmp_path / "undated")
    text = (tmp_path / "undated" / "records.jsonl").read_text()
    (tmp_path / "undated" / "records.jsonl").write_text(text.replace("2026-01-01T00:00", "then"))
    with pytest.raises(UserError, match="when it was run is not known"):
        find_runs([tmp_path])


def test_plots_of_one_unit(results: Path, joined: History) -> None:
    specification = plots.over_runs(joined).to_dict()
    rows = specification["data"]["values"]
    assert len(rows) == 24
    assert [row["run"] for row in rows if row["kind"] == "change"] == ["mobile/20260107T100000Z"]
    assert [row["run"] for row in rows if row["kind"] == "stands out"] == [
        "mobile/20260104T100000Z"
    ]
    assert plots.svg(plots.over_runs(joined)).startswith("<svg")
    with pytest.raises(UserError, match="one plot cannot show"):
        plots.over_runs(history(results, metrics=["macs", LATENCY]))


def test_the_page_escapes_names(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>"
    results = written(tmp_path, lambda book, day: book.static(name, macs=day), 3)
    page = history_page(history(results, metrics=["macs"]), name)
    assert name not in page
    assert "Content-Security-Policy" in page and "&lt;script&gt;alert(1)" in page


def test_the_command_prints_json_and_writes_a_plot(results: Path, tmp_path: Path) -> None:
    def cnnbench(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cnnbench", "history", *arguments],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    options = ["--metric", LATENCY, "--model", "A", "--accept", "kernel"]
    done = cnnbench(str(results), *options, "--json", "--out", "plot.png")
    assert (done.returncode, done.stderr) == (0, "Written: plot.png\n")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    answer = json.loads(done.stdout)
    assert answer["threshold"] == 0.05
    (one,) = answer["series"]
    assert len(one["points"]) == 12 and one["points"][0]["date"] == "2026-01-01T10:00:00+00:00"
    assert [change["run"] for change in one["changes"]] == ["mobile/20260107T100000Z"]
    wrong = cnnbench(str(results), "--metric", "macs", "--out", "plot.gif")
    assert wrong.returncode == 2
    assert "must end in .svg, .png or .html" in wrong.stderr
