"""Commands, Python examples, links and paths in the README and the other pages work."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnbench.cli import group
from tests.conftest import ROOT
from tests.test_extras import EXTRAS

TRACKERS = ROOT / "tests" / "trackers"  # stand-ins for mlflow and wandb
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = [*PAGES, *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"))]
# Commands with placeholders, and those that take minutes, are run by other tests.
_OTHERS = re.compile(
    r"BASE|\[--|cat\.jpg|w\.weights|FILE|--repeat|^run (?!.*--dry-run)|^doctor|PATH|\.\.\.|"
    r"\bmy_|photos|cam\.|first"
)


# Its commands need its files: `tests/test_your_network_page.py` runs them.
_WITH_FILES = ("your_network.md",)


def _commands() -> list[str]:
    fence = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
    pages = [page for page in PAGES if page.name not in _WITH_FILES]
    fenced = itertools.chain(*(fence.findall(page.read_text("utf-8")) for page in pages))
    blocks = [block for language, block in fenced if not language]
    lines = [re.split(r"\s#\s", line)[0].strip() for block in blocks for line in block.splitlines()]
    found = [line.removeprefix("cnnbench ") for line in lines if line.startswith("cnnbench ")]
    return list(dict.fromkeys(line for line in found if not _OTHERS.search(line)))


def test_pages_contain_commands() -> None:
    assert {line.split()[0] for line in _commands()} >= {"choose", "inspect", "report", "run"}


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """Create a folder with the published runs as results, and the suites."""
    results = tmp_path / "results"
    results.mkdir()
    published = ROOT / "results" / "published"
    for folder in (published, *published.glob("[!.]*")):  # not its cache, which runs write into
        (results / folder.name).symlink_to(folder)
    (tmp_path / "suites").symlink_to(ROOT / "suites")
    return tmp_path


@pytest.mark.parametrize("command", _commands())
def test_a_documented_command_works(
    command: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workplace)
    found = CliRunner().invoke(group, shlex.split(command))
    assert found.exit_code == 0, found.output or repr(found.exception)


def _blocks(page: Path) -> list[tuple[str, str | None]]:
    """Return the Python blocks of a page, each with the output block that follows it, or None."""
    fence = re.compile(
        r"^```python\n(.*?)^```\n(?:```output\n(.*?)^```$)?", re.DOTALL | re.MULTILINE
    )
    return [(code, output or None) for code, output in fence.findall(page.read_text("utf-8"))]


# The code of two runs in fast tests too: `tests/test_extras.py`, `tests/models/test_fcn.py`. That
# of the chapter trains networks.
_SLOW = ("api.md", "chapter_14.md", "extending.md", "sliding.md")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] if page.name in _SLOW else [])
        for page in PAGES
        if _blocks(page)
    ],
    ids=lambda page: page.name,
)
def test_the_python_code_of_a_page_runs_in_order(page: Path, workplace: Path) -> None:
    blocks = _blocks(page)
    mark = "-- end of the block --"
    script = workplace / "page.py"  # a file, as a builder that is registered must be in one
    script.write_text(f"\nprint('{mark}')\n".join(code for code, _ in blocks), "utf-8")
    done = subprocess.run(
        [sys.executable, script.name], cwd=workplace, capture_output=True, text=True,
        env={
            **os.environ, "PYTHONPATH": f"{ROOT}:{EXTRAS}:{TRACKERS}", "CUDA_VISIBLE_DEVICES": "-1",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = done.stdout.split(f"{mark}\n")
    shown = [output for _, output in blocks]
    assert [f if s else None for f, s in zip(found, shown, strict=True)] == shown


def test_the_page_on_extending_shows_the_outside_package_of_the_tests() -> None:
    page = ROOT / "docs" / "extending.md"
    files = [file.read_text("utf-8") for file in EXTRAS.glob("extras/*.py")]
    assert sorted(code for code, _ in _blocks(page)) == sorted(filter(None, files))
    (entry_points,) = EXTRAS.glob("*/entry_points.txt")
    assert f"```ini\n{entry_points.read_text('utf-8')}```\n" in page.read_text("utf-8")


def _prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub forms them."""
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


def _broken_links(page: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            yield link


def _missing_paths(page: Path) -> Iterator[str]:
    """Yield every repository path in backticks that matches no file; ``<name>`` stands for any."""
    roots = r"(?<![\w/.])(?:cnnbench|tests|suites|examples|benchmarks|docs|results/published)/"
    for span in re.findall(r"`([^`\n]+)`", _prose(page)):
        for path in re.findall(roots + r"[\w./<>*-]*", span):
            pattern = re.sub(r"<\w+>.*", "", path).rstrip("/.")
            if not any(ROOT.glob(pattern)):
                yield path


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    assert list(_broken_links(page)) == []


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_paths_in_backticks_exist(page: Path) -> None:
    assert list(_missing_paths(page)) == []


def test_a_broken_link_and_a_missing_path_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A title, with `code`\n[here](#a-title-with-code) [no](#nowhere) [gone](gone.md)\n"
        "`cnnbench/cli/` `python benchmarks/aa.py --quick` `cnnbench/models/<name>.py`\n"
        "`cnnbench/gone.py` `tests/no/<name>.py`\n"
    )
    assert list(_broken_links(page)) == ["#nowhere", "gone.md"]
    assert list(_missing_paths(page)) == ["cnnbench/gone.py", "tests/no/<name>.py"]
