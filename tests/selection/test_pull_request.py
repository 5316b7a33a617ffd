"""A comparison as Markdown for a pull request: one screen, the rest folded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt

import cnnbench
from cnnbench.results import tables
from cnnbench.selection.compare import Comparison
from cnnbench.selection.compare.pull_request import MOST_LINES, as_markdown
from tests.records import FACTS, Book
from tests.selection.tables import compare_by_command, from_columns

_FOLD = re.compile(r"<details>.*?</details>\n\n?", re.DOTALL)


def visible(found: Comparison) -> list[str]:
    """The lines outside of folded blocks, each of which leaves its summary."""
    text = _FOLD.sub(lambda fold: fold[0].splitlines()[0] + "\n", as_markdown(found))
    return text.splitlines()


def summaries(found: Comparison) -> list[str]:
    return re.findall(r"<summary>(.*)</summary>", as_markdown(found))


def counted(values: Sequence[int]) -> pd.DataFrame:
    return from_columns(model=[f"N{place}" for place in range(len(values))], params=list(values))


def test_a_small_comparison_shows_what_changed_and_folds_what_is_the_same() -> None:
    base = from_columns(model=["<b>|x"], macs=[1], params=[2])
    found = cnnbench.compare(base, base.assign(macs=2))
    assert as_markdown(found).splitlines() == [
        "**1 regression: 1 worse, 1 same**",
        "",
        "| Model | Metric | Base | New | New ÷ base | Verdict |",
        "|---|---|---:|---:|---:|---|",
        "| &lt;b&gt;\\|x | MACs | 1 | 2 | 2 | **worse (by +1)** |",
        "",
        "<details><summary>1 the same</summary>",
        "",
        "| Model | Metric | Base | New | New ÷ base | Verdict |",
        "|---|---|---:|---:|---:|---|",
        "| &lt;b&gt;\\|x | Params | 2 | 2 | 1 | same |",
        "",
        "</details>",
        "",
    ]


@pytest.mark.parametrize("count", [1, 20, 26, 27, 200])
def test_at_most_30_lines_are_visible_however_much_changed(count: int) -> None:
    found = cnnbench.compare(counted(range(1, count + 1)), counted(range(2, count + 2)))
    lines = visible(found)
    assert len(lines) <= MOST_LINES == 30
    assert lines[0] == f"**{count} regression{'s' * (count > 1)}: {count} worse**"
    shown = sum(line.startswith("| N") for line in lines)
    rest = [int(text.split()[0]) for text in summaries(found)]
    assert shown + sum(rest) == count
    if rest:
        assert len(lines) == MOST_LINES, "no room is left unused"


def test_regressions_come_before_improvements() -> None:
    found = cnnbench.compare(counted([5] * 60), counted([4] * 40 + [6] * 20))
    shown = [line for line in visible(found) if line.startswith("| N")]
    assert ["worse" in line for line in shown[:20]] == [True] * 20
    assert "better" in shown[20]


def test_everything_that_can_be_said_fits_into_30_lines(tmp_path: Path) -> None:
    base = Book(seed=1)
    new = Book({**FACTS, "cores": 4}, seed=2, shape=(64, 64, 3))
    for place in range(40):
        base.static(f"N{place}", macs=5 + place, params=3).latency(f"N{place}", 0.01, rounds=6)
        new.static(f"N{place}", macs=6 + place, params=3).latency(f"N{place}", 0.02, rounds=6)
        base.accuracy(f"N{place}", [0.8, 0.81])
    base.static("Old", macs=1)
    new.static("New", macs=1)
    sides = [tables.load(book.write(tmp_path / name)) for name, book in [("b", base), ("n", new)]]
    metrics = ["top1", "latency_location", "memory_infer_peak", "max_batch", "sparsity"]
    found = cnnbench.compare(*sides, strict=True, require=metrics)
    lines = visible(found)
    assert len(lines) == MOST_LINES
    assert lines[0].startswith("**40 regressions") and lines[2].startswith("**Not verified: ")
    assert lines[4].startswith("- --strict: not verified: ")
    assert lines[7] == "- 4 more failed checks; `cnnbench compare --json` lists all"
    heads = summaries(found)
    assert [re.sub(r"\d+", "#", head) for head in heads] == [
        "# more changed",
        "The environment changed: times are not comparable "
        "(--accept FACT or --force compares them)",
        *("Only in base", "Only in new", "Input changed"),
        "# numbers not verified",
        "# the same",
    ]
    html = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(as_markdown(found))
    assert html.count("<table>") == 4 and html.count("<details>") == html.count("</details>") == 7
    assert len(as_markdown(found)) < 65_536, "GitHub's limit for a comment"


@pytest.mark.slow
def test_a_folded_table_of_thousands_is_cut() -> None:
    found = cnnbench.compare(counted(range(5000)), counted(range(5000)))
    text = as_markdown(found)
    assert "4900 more; `cnnbench compare --json` lists all" in text
    assert len(text) < 65_536


def test_failed_requirements_are_part_of_the_markdown(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("model,variant,macs\nA,float32,1\n")
    done = compare_by_command(file, file, "--require", "top1", "--format", "md")
    assert done.return_value == 1
    assert "- --require: top1: missing in new: A" in done.stdout.splitlines()
