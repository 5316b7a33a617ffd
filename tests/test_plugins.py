"""Registries: built-in names, entry points of other packages, and what goes wrong with them."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cnnbench.cli import COMMANDS
from cnnbench.data.datasets import DATASETS
from cnnbench.errors import UserError
from cnnbench.execution.executor import EXECUTORS
from cnnbench.metrics import QUALITY
from cnnbench.models.heads import HEADS
from cnnbench.models.sources import SOURCES
from cnnbench.plugins import FORMATS, PROBES, Registry
from cnnbench.probes.compression.steps import STEPS
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.tasks.task import TASKS
from cnnbench.tasks.tracking import TRACKERS
from tests.conftest import ROOT

REGISTRIES: tuple[Registry[Any], ...] = (
    COMMANDS, DATASETS, EXECUTORS, FORMATS, HEADS, PROBES, QUALITY, RUNTIMES, SOURCES, STEPS, TASKS,
    TRACKERS,
)  # fmt: skip
COLOURS = """
from cnnbench.errors import UserError
from cnnbench.plugins import Registry
colours = Registry("tests.colours", "colour", {"red": "string:digits", "lost": "string:none"})
"""


@pytest.fixture
def colours() -> Registry[str]:
    return Registry("tests.colours", "colour", {"red": "string:digits", "lost": "string:none"})


def package(folder: Path, name: str, entries: str) -> None:
    """Create the metadata of an installed distribution with entry points."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[tests.colours]\n{entries}\n")


def run(folder: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", COLOURS + code],
        capture_output=True, text=True, cwd=folder, env={"PYTHONPATH": f"{folder}:{ROOT}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_loads_a_built_in_name_when_it_is_asked_for(colours: Registry[str]) -> None:
    assert list(colours) == ["red", "lost"]
    assert colours["red"] == colours.find("red") == "0123456789"
    assert colours.is_built_in("red")


def test_an_unknown_name_is_a_user_error_with_the_nearest(
    colours: Registry[str],
) -> None:
    with pytest.raises(UserError, match="unknown colour 'rad'") as error:
        colours.find("rad", "suite.yaml:3")
    assert "red" in str(error.value)
    assert "blue" not in colours
    with pytest.raises(KeyError):
        colours["blue"]


def test_a_plugin_that_cannot_be_imported_is_one_clear_error(colours: Registry[str]) -> None:
    with pytest.raises(UserError, match="the colour 'lost' cannot be loaded from string:none"):
        colours["lost"]


def test_another_package_adds_plugins_but_cannot_replace_built_in_ones(tmp_path: Path) -> None:
    package(tmp_path, "paint", "blue = string:hexdigits\nred = string:hexdigits")
    code = "print(*colours, colours['blue'][-1], colours['red'][-1], colours.is_built_in('blue'))"
    assert run(tmp_path, code) == "red lost blue F 9 False"


def test_two_packages_with_one_name_are_refused(tmp_path: Path) -> None:
    package(tmp_path, "paint", "blue = string:hexdigits")
    package(tmp_path, "ink", "blue = string:digits")
    code = """
try:
    colours["blue"]
except UserError as error:
    print(error.one_line())
"""
    assert "two installed packages provide the colour 'blue'" in run(tmp_path, code)


def test_the_table_of_extension_points_matches_the_code() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| `(cnnbench\.\w+)` \|$", page, re.MULTILINE)
    for protocol in (cell.strip("`") for cell, _ in rows if cell.startswith("`")):
        module, _, name = protocol.rpartition(".")
        assert isinstance(getattr(importlib.import_module(f"cnnbench.{module}"), name), type)
    own = {registry.group for registry in REGISTRIES}
    assert {group for _, group in rows} == {*own, "cnnbench.models"}
    (entry_points,) = (ROOT / "tests" / "extras").glob("*/entry_points.txt")
    outside = set(re.findall(r"^\[(.+)\]$", entry_points.read_text("utf-8"), re.MULTILINE))
    assert outside == {*own, "cnnbench.models"}
