"""The commands and the Python that the README and the pages show do what they show."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnbench.cli import group
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# What a reader's own files stand in for, and what takes minutes, is run by other tests.
_OTHERS = re.compile(
    r"BASE|\[--|cat\.jpg|w\.weights|FILE|--repeat|^run (?!.*--dry-run)|^doctor|PATH|\.\.\."
)


def _commands() -> list[str]:
    blocks = [
        block
        for page in PAGES
        for block in re.findall(
            r"^```\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
        )
    ]
    lines = [re.split(r"\s#\s", line)[0].strip() for block in blocks for line in block.splitlines()]
    found = [line.removeprefix("cnnbench ") for line in lines if line.startswith("cnnbench ")]
    return list(dict.fromkeys(line for line in found if not _OTHERS.search(line)))


def test_there_are_commands() -> None:
    assert {line.split()[0] for line in _commands()} >= {"choose", "inspect", "report", "run"}


@pytest.mark.parametrize("command", _commands())
def test_a_command_that_is_shown_works(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results").symlink_to(ROOT / "results" / "published")
    (tmp_path / "suites").symlink_to(ROOT / "suites")
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(group, shlex.split(command))
    assert found.exit_code == 0, found.output or repr(found.exception)


@pytest.mark.parametrize("page", ["README.md", "docs/choosing.md"])
def test_the_python_that_is_shown_works(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    section = (ROOT / page).read_text(encoding="utf-8").split("## From Python\n")[1]
    block = re.findall(r"```python\n(.*?)```", section, re.DOTALL)[0]
    monkeypatch.chdir(ROOT)
    exec(compile(block, page, "exec"), {})
