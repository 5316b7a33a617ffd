"""``cnnbench inspect``: where each form of the answer goes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from click.testing import CliRunner, Result

from cnnbench.cli import group
from cnnbench.core.errors import UserError

_NET = """
import keras

def hostile(input_shape=(8, 8, 1), classes=2):
    layer = keras.layers.Dense(classes)
    layer.name = "=1+1"
    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(), layer])
"""


def _inspect(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["inspect", *arguments])


def test_what_goes_to_stdout_goes_there_alone(tmp_path: Path) -> None:
    page = _inspect("LeNet5", "--html", "-").stdout
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert json.loads(_inspect("LeNet5", "--json").stdout)["metrics"]["params"] == 61_706
    text = _inspect("LeNet5", "--html", str(tmp_path / "page.html")).stdout
    assert "61,706" in text
    for two in (["--json", "--csv", "-"], ["--html", "-", "--csv", "-"], ["--json", "--html", "-"]):
        error = _inspect("LeNet5", *two).exception
        assert isinstance(error, UserError)
        assert "all go to stdout" in str(error)


def test_a_layer_cannot_be_a_formula(tmp_path: Path) -> None:
    file = tmp_path / "nets.py"
    file.write_text(_NET)
    rows = list(csv.DictReader(io.StringIO(_inspect(f"{file}:hostile", "--csv", "-").stdout)))
    assert rows[-1]["name"] == "'=1+1"
    assert rows[-1]["params"] == str(64 * 2 + 2)
