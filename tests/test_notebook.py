"""The notebook runs: its code cells in order, in one namespace, as a kernel runs them.

A kernel would be another dependency. What it does beyond this, showing the value of the last
expression of a cell, is checked by asking the value for its representation in a notebook.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.processes import HANGS_AFTER_S

NOTEBOOK = ROOT / "examples" / "choosing.ipynb"

# Runs the cells of the notebook that it is given, and prints what each one shows, a line of JSON.
KERNEL = """
import ast, contextlib, json, sys

namespace = {"__name__": "__main__"}
for cell in json.load(open(sys.argv[1], encoding="utf-8"))["cells"]:
    if cell["cell_type"] != "code":
        continue
    tree = ast.parse("".join(cell["source"]))
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(sys.stderr):
        exec(compile(tree, "<cell>", "exec"), namespace)
        value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace) if last else None
    shown = getattr(value, "_repr_mimebundle_", getattr(value, "_repr_html_", dict))()
    print(json.dumps([type(value).__name__, str(shown)[:20_000]]))
"""  # noqa: E501


def cells(kind: str) -> list[dict[str, Any]]:
    found = json.loads(NOTEBOOK.read_text("utf-8"))
    assert found["nbformat"] == 4
    return [cell for cell in found["cells"] if cell["cell_type"] == kind]


def test_the_notebook_is_kept_without_outputs_and_explains_its_steps() -> None:
    assert all(cell["outputs"] == [] for cell in cells("code"))
    headings = [line for cell in cells("markdown") for line in cell["source"] if line[0] == "#"]
    assert [line.strip("# \n") for line in headings] == [
        "Choose a network", "Choose", "Train the choice", "Predict"
    ]  # fmt: skip


@pytest.mark.slow
def test_the_notebook_runs_and_shows_table_chart_choice_and_predictions(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}
    environment.pop("CNNBENCH_DATA", None)
    done = subprocess.run(
        [sys.executable, "-c", KERNEL, str(NOTEBOOK)],
        cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=HANGS_AFTER_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [kind for kind, _ in shown if kind != "NoneType"]
    assert kinds == ["DataFrame", "LayerChart", "Choice", "DataFrame", "Predictions"]
    texts = dict(shown)
    assert "vega" in texts["LayerChart"]
    assert "LeNet5" in texts["Choice"]
    assert "shirt.png" in texts["Predictions"]
    assert len(done.stderr.splitlines()) < 60, "progress is a few lines"
