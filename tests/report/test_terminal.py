"""Whatever a journal or a CSV has in it, a terminal is told nothing but to show text."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from cnnbench.cli import main
from cnnbench.report import files
from cnnbench.results import tables
from cnnbench.results.journal import FILE_NAME
from tests.conftest import ROOT
from tests.records import FACTS, Book

EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\rWinner: E\x85\x00vil\nWinner: Evil"
OBEYED = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    book = Book({**FACTS, "cpu": EVIL})
    for model, seconds in ((f"A{EVIL}", 0.01), (f"B{EVIL}", 0.02), ("C", 0.03)):
        book.static(model, params=1e6 * seconds, macs=5e6).latency(model, seconds, rounds=3)
    book.failed("D", "failed", EVIL)
    return book.write(tmp_path_factory.mktemp("evil") / "run")


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("evil") / "report.csv"
    row = f'"A{EVIL}",float32,1,"{EVIL}","unstable: {EVIL}"'.replace("\x00", "")
    file.write_text(f"model,variant,params@{EVIL[:3]},macs_status,params_verdict\n{row}\n")
    return file


def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    """Everything that a command prints, on stdout and on stderr."""
    monkeypatch.setattr(sys, "argv", ["cnnbench", *words])
    with pytest.raises(SystemExit):
        main()
    return "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "command",
    [
        "report RUN", "report RUN --format md", "report CSV", "report CSV --format md",
        "choose RUN --minimize params", "choose RUN --minimize latency_p50 --max params=15000",
        "choose CSV --minimize params", "compare RUN RUN", "compare RUN RUN --format md",
        "compare CSV RUN", "report RUN --metric nothing", "report RUN --format json",
        "history RUN --metric params", "history RUN --metric params --json",
    ],
)  # fmt: skip
def test_nothing_that_is_shown_is_obeyed(
    run: Path,
    csv: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    places = {"RUN": str(run), "CSV": str(csv)}
    text = shown(capsys, monkeypatch, *(places.get(word, word) for word in command.split()))
    assert text.strip()
    assert not OBEYED.search(text)
    assert "\nWinner: Evil" not in text


def test_an_error_that_quotes_a_file_is_not_obeyed(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (run / FILE_NAME).read_text().replace('"probe":"static"', r'"probe":"\u001b[2J"', 1)
    (tmp_path / FILE_NAME).write_text(text)
    said = shown(capsys, monkeypatch, "report", str(tmp_path))
    assert r"the probe '\x1b[2J'" in said
    assert not OBEYED.search(said)


@pytest.mark.parametrize("width", [20, 80, 160])
def test_a_number_is_never_cut_off_however_narrow_the_terminal(width: int) -> None:
    run = ROOT / "results" / "published" / "table_14_3"
    whole = set(re.findall(r"[0-9.]+ m?s ± [0-9.]+ %(?: [?*])?", files.text(run, width=10_000)))
    assert len(whole) > 80
    text = files.text(run, width=width)
    assert "…" not in text.partition("How far")[0].replace("/…", "")
    assert set(re.findall(r"[0-9.]+ m?s ± [0-9.]+ %(?: [?*])?", text)) == whole
    names = set(tables.load(run).report["model"])
    blocks = text.partition("* best of its column")[0].split("\n\n")
    assert all(names <= {line.split("  ")[0] for line in b.splitlines()} for b in blocks if b)


def test_a_long_name_is_broken_at_its_joints_and_leaves_room_for_numbers(tmp_path: Path) -> None:
    long = "BasicCNN[batch_norm=true,width=0.25]+mask[detector=ssdlite,levels=3,ratios=2]"
    book = Book()
    for name in ("LeNet5", long):
        book.static(name, params=1e6, macs=2e6, weight_bytes=4e6, depth=9)
    text = files.text(book.write(tmp_path / "run"), width=80)
    block = text[: text.index("\n\n")].splitlines()
    assert [line.split()[0] for line in block[1:3]] == ["Model", "LeNet5"]
    assert block[3].startswith("BasicCNN[batch_norm=true,width=0.25]   ")
    assert block[3].split()[1:] == block[2].split()[1:] != []
    assert "".join(line[:40].strip() for line in block[3:]) == long
    assert {"Weights", "Params", "Depth", "MACs"} == set(block[1].split()[1:])
    assert max(map(len, block)) <= 80
