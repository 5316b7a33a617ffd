"""Rules of the code base that no linter checks."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

import pytest

from cnnbench.plugins import PROBES
from tests.conftest import ROOT

PACKAGE = ROOT / "cnnbench"
LONGEST_FILE = 300  # lines
# Public docstrings begin with an imperative or a noun phrase (STYLE: "Return ...", "Mean of ...").
OPENINGS = ("What", "Whether", "Of", "How", "Where", "Which", "Why")
# Modules that may define __getattr__: the package loads its public names on first use.
LAZY_MODULES = {"cnnbench/__init__.py"}


@cache
def sources() -> dict[str, ast.Module]:
    """Return the syntax tree of every module by its path relative to the repository."""
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def report(offenders: Iterator[str]) -> None:
    """Fail with every offender on a line of its own."""
    found = list(offenders)
    assert not found, f"{len(found)} found:\n" + "\n".join(found)


def test_no_class_forwards_unknown_attributes() -> None:
    """A proxy hides what a class can do from readers and type checkers."""
    report(
        f"{file}:{node.lineno}: __getattr__"
        for file, tree in sources().items()
        if file not in LAZY_MODULES
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in ("__getattr__", "__getattribute__")
    )


def probes() -> set[str]:
    """Return the names of the probes: a folder or a file of `cnnbench.probes` each."""
    return set(PROBES)


def probe_comparisons() -> Iterator[str]:
    for file, tree in sources().items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Compare | ast.Match):
                continue
            for name in compared_probes(node) & probes():
                if not file.startswith((f"cnnbench/probes/{name}/", f"cnnbench/probes/{name}.py")):
                    yield f"{file}:{node.lineno}: compares a probe with '{name}'"


def compared_probes(node: ast.Compare | ast.Match) -> set[str]:
    """Return the strings that a comparison or a match compares a variable `probe` with."""
    if isinstance(node, ast.Match):
        sides: list[ast.expr] = [node.subject]
        values = [leaf for case in node.cases for leaf in ast.walk(case.pattern)]
        constants = [leaf.value for leaf in values if isinstance(leaf, ast.MatchValue)]
    else:
        sides = [node.left, *node.comparators]
        constants = [leaf for side in sides for leaf in ast.walk(side)]  # type: ignore[misc]
    is_probe = any(
        (isinstance(side, ast.Attribute) and side.attr == "probe")
        or (isinstance(side, ast.Name) and side.id == "probe")
        for side in sides
    )
    texts = {leaf.value for leaf in constants if isinstance(leaf, ast.Constant)}
    return {text for text in texts if isinstance(text, str)} if is_probe else set()


def test_only_a_probe_knows_its_name() -> None:
    """Other code asks the probe (its settings, its summary) instead of comparing its name."""
    report(probe_comparisons())


def test_finds_comparisons_of_probe_names() -> None:
    code = 'a.probe != "memory"\nprobe in ("static", "x")\nmatch r.probe:\n    case "load": ...\n'
    nodes = [
        node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Compare | ast.Match)
    ]
    assert [compared_probes(node) for node in nodes] == [{"load"}, {"memory"}, {"static", "x"}]


def test_no_file_is_long() -> None:
    report(
        f"{file}: {count} lines, at most {LONGEST_FILE}"
        for file in sources()
        if (count := len((ROOT / file).read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    )


def public_docstrings() -> Iterator[tuple[str, str]]:
    """Yield the place and the first word of the docstring of every public definition."""
    for file, tree in sources().items():
        for node, name in definitions(tree, ""):
            words = (ast.get_docstring(node) or "").split(maxsplit=1)
            if words:
                yield f"{file}:{getattr(node, 'lineno', 1)}: {name or 'the module'}", words[0]


Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def definitions(node: Definition, name: str) -> Iterator[tuple[Definition, str]]:
    """Yield ``node`` and the public classes and functions in it, at any depth, with their names."""
    yield node, name
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            is_public = not child.name.startswith("_") or child.name == "__init__"
            if is_public and not isinstance(node, ast.FunctionDef):
                yield from definitions(child, f"{name}.{child.name}".lstrip("."))


def docstring_offenders() -> Iterator[str]:
    for place, word in public_docstrings():
        if word.rstrip(".,:") in OPENINGS:
            yield f"{place} begins with '{word}'"


def test_public_docstrings_begin_with_an_imperative_or_a_noun() -> None:
    report(docstring_offenders())


@pytest.mark.slow
def test_benchmarks_can_be_imported() -> None:
    """They are run by hand, so that a module that moved would be noticed late."""
    names = sorted(file.stem for file in (ROOT / "benchmarks").glob("*.py"))
    assert len(names) > 10
    done = subprocess.run(
        [sys.executable, "-c", f"import {', '.join(names)}"],
        cwd=ROOT / "benchmarks",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
