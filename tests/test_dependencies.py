"""Dependencies in `pyproject.toml` are those that the package imports, no more and no fewer."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Required by other packages: tensorflow-datasets imports it without naming it.
ON_BEHALF = {"importlib-resources"}
# The tools of development are commands, plugins and stubs; only these are imported by the tests.
IMPORTED_BY_TESTS = {"pytest", "hypothesis", "playwright", "markdown-it-py", "pycocotools"}
_IMPORTING = {"import_module", "importorskip"}
BUILT_IN = set(sys.stdlib_module_names) | {"cnnbench", "__future__"}


def names(requirements: list[str]) -> list[str]:
    """Return the normalised names of the required distributions."""
    words = [re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0] for requirement in requirements]
    return [re.sub(r"[-_.]+", "-", word).lower() for word in words]


RUNTIME = names(PROJECT["dependencies"])
EXTRAS = PROJECT["optional-dependencies"]
USED = [*RUNTIME, *(name for extra in EXTRAS if extra != "dev" for name in names(EXTRAS[extra]))]


@cache
def imported(folder: Path) -> set[str]:
    """Return the top-level modules that the files of a folder import."""
    return {name.split(".")[0] for file in folder.rglob("*.py") for name in _imports(file)}


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif (
            isinstance(node, ast.Call)
            and getattr(node.func, "attr", getattr(node.func, "id", "")) in _IMPORTING
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value)


@cache
def owners() -> Mapping[str, list[str]]:
    """Return top-level module -> distributions that install it."""
    return {module: names(found) for module, found in metadata.packages_distributions().items()}


def modules_of(distribution: str) -> set[str]:
    """Return the top-level modules of a distribution."""
    found = {module for module, distributions in owners().items() if distribution in distributions}
    if not found:
        pytest.skip(f"{distribution} is not installed")
    return found


@pytest.mark.parametrize("distribution", sorted(set(USED) - ON_BEHALF))
def test_every_dependency_is_imported(distribution: str) -> None:
    assert modules_of(distribution) & imported(ROOT / "cnnbench"), f"{distribution} is not used"


@pytest.mark.parametrize("distribution", sorted(IMPORTED_BY_TESTS & set(names(EXTRAS["dev"]))))
def test_every_library_of_the_tests_is_imported(distribution: str) -> None:
    assert modules_of(distribution) & imported(ROOT / "tests")


def test_every_import_is_a_declared_dependency() -> None:
    unnamed = {
        module
        for module in imported(ROOT / "cnnbench") - BUILT_IN
        if module in owners() and not set(owners()[module]) & {*USED, "pytest"}
    }
    assert not unnamed, f"imported and not named in pyproject.toml: {sorted(unnamed)}"
