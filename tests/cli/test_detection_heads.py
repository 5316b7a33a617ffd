"""Detectors from the shell: listed, inspected, refused in one line."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from cnnbench.cli import group
from cnnbench.errors import UserError

HEADS = ("yolo", "ssdlite", "retina", "windows")


def called(*words: str) -> Result:
    return CliRunner().invoke(group, words)


def test_heads_are_listed_with_their_task() -> None:
    lines = called("models", "--task", "detection").stdout.splitlines()
    listed = [line.split()[:2] for line in lines if line.startswith("+")]
    assert listed == [[f"+{head}", "detection"] for head in HEADS]
    assert lines[-1] == "A head goes on any backbone: BACKBONE+HEAD, for example MobileNetV2+yolo."


def test_inspect_counts_every_operation_of_a_detector() -> None:
    name = "LeNet5+yolo[classes=3,depth=1,grid=5,width=8]"
    found = json.loads(called("inspect", name, "--json").stdout)
    assert found["model"] == name
    assert found["uncounted_ops"] == []
    # The last maps with at least 5 rows are the 5 x 5 x 16 before C5, which is left out.
    trunk, convolution, cells = 156 + 2_416, 9 * 16 * 8 + 4 * 8, (8 + 1) * (2 * 5 + 3)
    assert found["metrics"]["params"] == trunk + convolution + cells
    of_head = 25 * (9 * 16 * 8 + 8 * (2 * 5 + 3))
    assert found["metrics"]["macs"] == 117_600 + 240_000 + of_head
    layers = {layer["name"]: layer for layer in found["layers"]}
    assert layers["task_head_cells"]["output_shape"] == [5, 5, 13]


def test_inspect_takes_another_input_for_a_detector() -> None:
    name = "LeNet5+retina[channels=8,depth=0]"
    found = json.loads(called("inspect", name, "--input-shape", "64x48x1", "--json").stdout)
    assert found["input_shape"] == [64, 48, 1]
    assert found["uncounted_ops"] == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("LeNet5+yol", "unknown head 'yol' (did you mean 'yolo'?)"),
        ("LeNet5+yolo[gird=5]", "LeNet5+yolo takes no parameter 'gird' (did you mean 'grid'?)"),
        ("LeNet5+yolo[grid=many]", "the parameter grid=many should be a whole number"),
        ("LeNet5+yolo[grid=40]", "set a larger input_shape, or a smaller grid"),
        ("LeNet5+yolo[boxes=0]", "LeNet5+yolo[boxes=0]: its head's parameter boxes=0 must be at"),
    ],
)
def test_a_mistake_is_one_line(name: str, words: str) -> None:
    error = called("inspect", name).exception
    assert isinstance(error, UserError)
    assert words in str(error)
    assert "\n" not in str(error)
