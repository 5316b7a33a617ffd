"""``cnnbench inspect``: options and output formats."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cnnbench
from cnnbench.cli import group
from cnnbench.errors import UserError

_NET = """
import keras

def hostile(input_shape=(8, 8, 1), classes=2):
    layer = keras.layers.Dense(classes)
    layer.name = "=1+1"
    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(), layer])
"""


def _inspect(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["inspect", *arguments])


def test_only_one_output_may_go_to_stdout(tmp_path: Path) -> None:
    page = _inspect("LeNet5", "--html", "-").stdout
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    # MACs, parameters, output, alive. C1 has 6 kernels of 5 x 5 + 1, at 28 x 28: the widest map.
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert block is not None
    charts = json.loads(block[1])["plots"]["charts"]
    bars = [
        next(bar for bar in chart["data"]["values"] if bar["layer"] == "C1 (Conv2D)")
        for chart in charts.values()
    ]
    assert [bar["text"] for bar in bars] == ["117,600", "156", "18.8 kB", "18.8 kB"]
    assert [bar["value"] for bar in bars] == [117_600, 156, 18_816, 18_816]
    assert json.loads(_inspect("LeNet5", "--json").stdout)["metrics"]["params"] == 61_706
    text = _inspect("LeNet5", "--html", str(tmp_path / "page.html")).stdout
    assert "61,706" in text
    for two in (["--json", "--csv", "-"], ["--html", "-", "--csv", "-"], ["--json", "--html", "-"]):
        error = _inspect("LeNet5", *two).exception
        assert isinstance(error, UserError)
        assert "can write to stdout" in str(error)


def test_python_finds_the_largest_batch_as_the_option_does() -> None:
    found = cnnbench.inspect("LeNet5", fit="10MB")
    assert found.metrics["max_batch"] == found.max_batch(10_000_000) == 414
    assert str(found).splitlines() == _inspect("LeNet5", "--fit", "10MB").stdout.splitlines()
    assert cnnbench.inspect("LeNet5", fit=10_000_000).fit == "10 MB"
    assert found.to_csv() == _inspect("LeNet5", "--csv", "-").stdout


def test_a_layers_name_cannot_be_a_formula_in_csv(tmp_path: Path) -> None:
    file = tmp_path / "hostile_layer.py"
    file.write_text(_NET)
    rows = list(csv.DictReader(io.StringIO(_inspect(f"{file}:hostile", "--csv", "-").stdout)))
    assert rows[-1]["name"] == "'=1+1"
    assert rows[-1]["params"] == str(64 * 2 + 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--batch", "3"], "batch 3"),
        # 4,704 + 1,176 floats of C1 and its pooling, three images
        (["--batch", "3"], "activation_infer_peak_bytes                          70,560"),
        (["--dtype", "float16"], "weight_bytes                                        123,412"),
        (["--convention", "tf-profiler"], "tf.compat.v1.profiler: FLOPs as"),
        (["--fit", "10MB"], "max_batch                                                414"),
        (["--fit", "10MB"], "max_batch is for inference in 10MB"),
        (["--trace-training"], "training memory method gradient graph"),
        (["--input-shape", "28x28x1"], "input 28x28x1"),
    ],
)
def test_options_change_the_counts(options: list[str], words: str) -> None:
    squeezed = " ".join(_inspect("LeNet5", *options).stdout.split())
    assert " ".join(words.split()) in squeezed


def test_a_wrong_argument_is_named_with_its_option() -> None:
    for arguments, words in (
        (["MobileNetV2", "--input-shape", "224"], "takes inputs like 224x224x3, not 224"),
        (["net.h5"], "only .keras and .tflite files can be read"),
        (["nets.py"], "no file 'nets.py' (the path is relative to the suite or to the working"),
        (["LeNet5", "--batch", "0"], "--batch: a batch of 0 is too small (at least 1 is needed)"),
        (
            ["LeNet5", "--dtype", "float61"],
            "--dtype: unknown dtype 'float61' (did you mean",
        ),
        (["LeNet5", "--convention", "paper"], "--convention: unknown convention 'paper' (did you"),
        (["LeNet5", "--fit", "2"], "--fit: '2' has no unit that fits"),
    ):
        assert words in str(_inspect(*arguments).exception)
