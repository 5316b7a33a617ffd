"""The answer of a run to its suite's question, and how a report opens with it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnbench import plots
from cnnbench.cli import group
from cnnbench.record import LEFT_OUT
from cnnbench.report import files, html
from cnnbench.results import tables
from cnnbench.results.tables import Run
from cnnbench.selection.answer import answer
from cnnbench.suite import question as questions
from cnnbench.suite.question import Question
from tests.records import DIGITS, LITERT, Book

TOP1 = f"top1@{DIGITS.label()}"
WITHIN = Question(maximize=TOP1, max={"params": 5e6, "latency_p50_s@cpu/litert/b1": 0.015})
REASON = "params is 9.00 M, 4.00 M (80 %) over 5 M"


def written(folder: Path, question: Question | None = WITHIN) -> Run:
    """Write a run of four networks; one is too large, and one was left out after a seed."""
    book = Book()
    for name, params, seeds in [
        ("Best", 4e6, (0.90, 0.91, 0.92)),
        ("Small", 1e6, (0.905, 0.912, 0.911)),
        ("Worse", 2e6, (0.70,)),
    ]:
        book.static(name, params=params).latency(name, 0.005 * params / 1e6 / 2)
        book.accuracy(name, seeds)
    book.static("Large", params=9e6)
    for setting, count in [(LITERT, 8), (DIGITS, 3)]:
        left_out: dict[str, object] = {LEFT_OUT: {"repeats": count, "seconds": 60.0 * count}}
        repeat = "prepare" if setting is LITERT else 0
        book.record("Large", setting, repeat, {}, status="skipped", reason=REASON, details=left_out)
    book.record(
        "Worse", DIGITS, 1, {}, status="skipped", reason=f"{TOP1} is 70.0 %, significantly behind",
        details={LEFT_OUT: {"repeats": 2, "seconds": None}},
    )  # fmt: skip
    book.write(folder)
    if question is not None:
        (folder / questions.FILE_NAME).write_text(question.to_json())
    return tables.load(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return written(tmp_path_factory.mktemp("answer") / "run")


def test_names_the_winner_and_its_ties_but_none_that_was_left_out(run: Run) -> None:
    found = answer(run)
    assert found and found.choice.winner
    assert found.choice.winner.name == "Best"
    assert [tie.name for tie in found.choice.ties] == ["Small"]
    assert found.sentence.startswith(
        f"Best has the highest {TOP1} with params ≤ 5 M and latency_p50_s@cpu/litert/b1 ≤ 15 ms: "
        "91.0 % ("
    )
    assert found.sentence.endswith("); it is statistically tied with Small.")
    assert any("Small" in line for line in found.qualifications)


def test_says_what_was_left_out_and_what_it_would_take(run: Run) -> None:
    found = answer(run)
    assert found
    assert found.left_out == [
        f"Worse: {TOP1} is 70.0 %, significantly behind; 2 seeds not run",
        f"Large: {REASON}; 8 rounds and 3 seeds not run, about 11 min",
    ]
    assert found.saved == "5 seeds and 8 rounds of 2 networks, about 11 min"
    assert "Left out: 5 seeds" in found.as_text()


def test_the_report_opens_with_the_answer_and_names_every_network(run: Run) -> None:
    text = files.text(run.path)
    assert text.startswith("Answer\n\nBest has the highest top1@")
    top = text[text.index("Networks, the best first") : text.index("Doubts, and what")]
    for name, standing in [
        ("Best", "winner, on the Pareto front"),
        ("Small", "tied with the winner, on the Pareto front"),
        ("Worse", "behind, left out"),
        ("Large", "excluded, left out"),
    ]:
        (line,) = [line for line in top.splitlines() if line.startswith(f"{name} ")]
        assert line.endswith(standing)
    assert files.section(run.path, "answer").startswith("Answer\n")
    page = html.page(run)
    assert page.index('id="answer"') < page.index('id="glance"') < page.index('id="tradeoff"')


def test_choose_without_options_answers_the_question_of_the_suite(run: Run) -> None:
    done = CliRunner().invoke(group, ["choose", str(run.path)], catch_exceptions=False)
    found = answer(run)
    assert found and (done.exit_code, done.output) == (0, found.as_text())
    other = CliRunner().invoke(group, ["choose", str(run.path), "--minimize", "params"])
    assert other.output.startswith("Winner: Small")


def test_a_number_that_was_left_out_says_so_in_the_table(run: Run) -> None:
    report = run.report.set_index("model")
    assert report.loc["Large", f"top1_status@{DIGITS.label()}"] == f"left out: {REASON}"
    assert report.loc["Worse", TOP1] == 0.7
    from_csv = tables.Report.from_frame(run.report)
    (large,) = [row for row in from_csv if row.model == "Large"]
    assert large.read(TOP1).was_left_out


def test_a_run_without_a_question_reports_as_before(tmp_path: Path) -> None:
    run = written(tmp_path / "run", question=None)
    assert answer(run) is None
    assert not files.text(run.path).startswith("Answer")
    assert 'id="answer"' not in html.page(run)


def test_a_question_to_which_nothing_is_known_yet(tmp_path: Path) -> None:
    book = Book().static("Only", params=1e6)
    book.write(tmp_path / "run")
    (tmp_path / "run" / questions.FILE_NAME).write_text(WITHIN.to_json())
    found = answer(tables.load(tmp_path / "run"))
    assert found and found.choice.winner is None
    assert "Nothing is known to fit" in found.sentence


def words(svg: str) -> list[str]:
    texts = ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(node.itertext()) for node in texts]


def test_the_plot_has_the_limit_on_its_axis_and_names_what_it_cannot_show(run: Run) -> None:
    chart = plots.tradeoff(run)
    params = {param["name"]: param.get("value") for param in chart.to_dict()["params"]}
    assert (params["across"], params["up"]) == ("params", TOP1)
    drawn = words(plots.svg(chart))
    assert "≤ 5 M" in drawn and "≤ 15 ms" not in drawn
    assert "Not plotted: Large" in drawn
    other = words(plots.svg(plots.tradeoff(run, across="latency_p50", up="top1")))
    assert "≤ 15 ms" in other and "≤ 5 M" not in other
