"""Help of the command line, users' mistakes, and standard output that cannot be written."""

from __future__ import annotations

import os
import resource
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnbench.cli import COMMANDS, group
from tests.conftest import ROOT

_PROGRAM = """
import sys
from click.testing import CliRunner
from cnnbench.cli import COMMANDS, group
heavy = {"tensorflow", "keras", "pandas", "scipy", "sklearn", "altair", "vl_convert"}
for words in ([], *([name] for name in COMMANDS)):
    result = CliRunner().invoke(group, [*words, "--help"])
    assert result.exit_code == 0 and "Usage:" in result.output, (words, result.output)
    loaded = heavy & set(sys.modules)
    assert not loaded, (words, loaded)
    print(*words)
"""


def test_no_help_loads_tensorflow_or_pandas() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["", *COMMANDS]


def test_help_takes_less_than_five_times_the_import_of_click() -> None:
    """A ratio of processor time, which does not depend on the machine's load."""

    def cpu_seconds(*command: str) -> float:
        times = []
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *command], capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(sum(after[:2]) - sum(before[:2]))  # user and system
        return min(times)

    assert cpu_seconds("-m", "cnnbench", "run", "--help") < 5 * cpu_seconds("-c", "import click")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["walk"], "unknown command 'walk'"),
        (["run"], "Missing argument"),
        (["run", "no-such.yaml"], "no-such.yaml: cannot be read: No such file or directory"),
        (["report", "no-such-run"], "no-such-run: no such run"),
        (["run", "--probes", "static", "x.yaml"], "No such option"),
    ],
)
def test_reports_a_users_mistake_in_one_line_with_exit_code_2(
    arguments: list[str], complaint: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_debug_shows_the_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", "report", "no-such-run", "--debug"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("redirection", "code", "complaint"),
    [
        (">&-", 0, ""),
        pytest.param(
            "> /dev/full",
            1,
            "cnnbench: the output cannot be written: No space left on device\n",
            marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here"),
        ),
    ],
)
def test_a_full_or_closed_stdout_is_one_clear_line(
    redirection: str, code: int, complaint: str
) -> None:
    command = f"{shlex.quote(sys.executable)} -m cnnbench models {redirection}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, complaint)


def test_escapes_characters_that_stdout_cannot_encode() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", "--help"],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    program = "import sys; from cnnbench import cli; cli._escape_unprintable(); print('\\u00b1')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert done.stdout == b"\\xb1\n", done.stderr


def test_help_lists_subcommands_with_whole_sentences() -> None:
    shown = CliRunner().invoke(group, ["--help"]).output
    commands = shown.partition("Commands:")[2]
    assert "..." not in commands
    assert commands.count(".\n") == len(COMMANDS)


def test_lists_a_subcommand_that_cannot_be_loaded_with_the_reason(tmp_path: Path) -> None:
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[cnnbench.commands]\nbroken = nowhere:command\n")
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", "--help"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
    )
    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.split())
    assert "the command 'broken' cannot be loaded from nowhere:command" in shown
    assert "choose Choose a model" in shown
