"""``choose`` and ``compare`` on the command line: exit codes, and stdout that can be piped."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cnnbench.cli import main
from cnnbench.record import SCHEMA_VERSION
from tests.records import Book

CSV = "model,variant,macs,file_bytes\nA,float32,5,1000\nB,float32,9,500\n"


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def cnnbench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line, in this process."""

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["cnnbench", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return Done(int(end.value.code or 0), out, err)

    return run


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    file = tmp_path / "report.csv"
    file.write_text(CSV)
    return file


def test_choose_applies_a_lower_limit(cnnbench: Run, csv: Path) -> None:
    done = cnnbench("choose", str(csv), "--min", "macs=6", "--maximize", "file", "--json")
    assert json.loads(done.stdout)["winner"] == {"model": "B", "variant": "float32"}


def test_choose_prints_json(cnnbench: Run, csv: Path) -> None:
    done = cnnbench("choose", str(csv), "--max", "file=600B", "--minimize", "macs", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert answer["winner"] == {"model": "B", "variant": "float32"}
    assert answer["front"] == [
        {"model": "B", "variant": "float32"},
        {"model": "A", "variant": "float32"},
    ]
    assert [c["verdict"] for c in answer["candidates"]] == ["fits", "excluded"]
    assert answer["candidates"][1]["violated"] == [
        {"metric": "file_bytes", "limit": 600.0, "value": 1000.0, "excess": 400.0}
    ]


def test_nothing_fits_is_exit_code_1(cnnbench: Run, csv: Path) -> None:
    done = cnnbench("choose", str(csv), "--max", "file=10B", "--minimize", "macs")
    assert done.returncode == 1
    assert done.stdout.startswith("Nothing fits; the nearest is B, which misses file_bytes by 490")


def test_compare_finds_a_regression(cnnbench: Run, csv: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text(CSV.replace("9,500", "9,501"))
    done = cnnbench("compare", str(csv), str(new), "--json")
    assert (done.returncode, done.stderr) == (1, "")
    answer = json.loads(done.stdout)
    assert answer["comparable"] is True
    assert answer["environment_changes"] == []
    (row,) = answer["regressions"]
    assert row["metric"] == "file_bytes"
    assert row["ratio"] == pytest.approx(501 / 500)
    assert cnnbench("compare", str(csv), str(csv)).returncode == 0
    assert cnnbench("compare", str(new), str(csv)).returncode == 0


def test_strict_fails_incomparable_numbers(cnnbench: Run, csv: Path, tmp_path: Path) -> None:
    less = tmp_path / "less.csv"
    less.write_text("model,variant,macs\nA,float32,5\n")
    done = cnnbench("compare", str(csv), str(less))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Not verified: 1 network missing in new, 1 size missing in new" in done.stdout
    strict = cnnbench("compare", str(csv), str(less), "--strict")
    assert (strict.returncode, strict.stdout) == (1, done.stdout)
    assert strict.stderr.startswith("--strict: not verified: 1 network missing in new, 1 size")
    assert cnnbench("compare", str(csv), str(less), "--require", "file").returncode == 1
    assert cnnbench("compare", str(csv), str(less), "--require", "fule").returncode == 2


def test_compares_a_run_with_a_csv_file(cnnbench: Run, tmp_path: Path, csv: Path) -> None:
    run = Book().static("A", macs=5).write(tmp_path / "run")
    done = cnnbench("compare", str(run), str(csv), "--metric", "macs", "--format", "md")
    assert done.returncode == 0
    assert "| A | MACs | 5 | 5 | 1 | same |" in done.stdout


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,b\n1,2\n", "not a report: no column 'model'"),
        ("", "not a report"),
        ("model,variant,macs\n", "empty"),
        (f"model,variant,schema_version\nA,float32,{SCHEMA_VERSION + 1}\n", "newer than"),
    ],
)
@pytest.mark.parametrize("verb", ["choose", "compare"])
def test_damaged_tables_are_one_clear_line(
    cnnbench: Run, tmp_path: Path, csv: Path, text: str, complaint: str, verb: str
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(text)
    rest = ["--minimize", "macs"] if verb == "choose" else [str(csv)]
    done = cnnbench(verb, str(bad), *rest)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--max", "file=20ms", "--minimize", "macs"], "'20ms' has no unit that fits"),
        (["--max", "file", "--minimize", "macs"], "not METRIC=VALUE"),
        (["--minimize", "nothing"], "no metric 'nothing'"),
        ([], "exactly one of --maximize and --minimize"),
    ],
)
def test_choose_explains_mistakes(
    cnnbench: Run, csv: Path, arguments: list[str], complaint: str
) -> None:
    done = cnnbench("choose", str(csv), *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
