"""Networks that are easily counted wrong: by hand, alive, and by the command line."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import cnnbench
from cnnbench.cli import group
from tests.analysis import cases

# Network, options, metric, right value, and how it comes about.
RIGHT: list[tuple[str, dict[str, Any], str, int]] = [
    # 64 x 64 x 8 x 27, then 64 x 64 x 4 x 8
    ("called_anew", {"input_shape": (64, 64, 3)}, "macs", 1_015_808),
    # queries 16 x 32 x 32, keys and values 64 x 48 x 32, scores and sums 16 x 64 x 32, output
    ("keyword_tensors", {}, "macs", 16 * 32 * 32 * 2 + 2 * 64 * 48 * 32 + 2 * 16 * 64 * 32),
    # ten turns of 64 x 64, then 64 x 5
    ("loop_over_lists", {}, "macs", 10 * 64 * 64 + 64 * 5),
    # 64 x 256 x 8, then 64 x 8 x 512: pair by pair
    ("einsum_of_three", {}, "macs", 64 * 256 * 8 + 64 * 8 * 512),
    # three turns of 64 x 64, whatever the limit
    ("bounded_loop", {}, "macs", 3 * 64 * 64),
    ("scalar_tensor", {}, "macs", 14 * 14 * 4 * 27),
    ("unused_at_inference", {}, "macs", 30 * 30 * 8 * 27),
    ("called_with_two_inputs", {}, "macs", 30 * 30 * 8 * 27 + 13 * 10),
    ("unsorted_dict_inputs", {}, "macs", 30 * 30 * 4 * 36),
    ("variable_made_of_values", {}, "macs", 16 * 32 * 4),
    # 15 x 15 x 8 x 27 and 15 x 15 x 2 x 8: the 512 filters are read by nobody
    ("unread_branch", {}, "macs", 15 * 15 * 8 * 27 + 15 * 15 * 2 * 8),
    ("channels_first_slices", {}, "receptive_field_px", 3),
    # 12 positions a quarter of a pixel apart span 3, each of which sees 3
    ("depth_to_space_field", {}, "receptive_field_px", 5),
    ("built_subclass", {}, "macs", 10 * 10 * 6 * 27 + 6 * 4),
]
FILE = Path(cases.__file__)


@pytest.fixture(autouse=True)
def _without_keras_advice() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@pytest.mark.parametrize(("name", "options", "metric", "right"), RIGHT)
def test_counts_of_a_live_model(
    name: str, options: dict[str, Any], metric: str, right: int
) -> None:
    found = cnnbench.inspect(getattr(cases, name)(), **options)
    assert found.metrics[metric] == right
    assert found.uncounted_ops == []
    assert metric not in found.bounds


@pytest.mark.parametrize(("name", "options", "metric", "right"), RIGHT)
def test_counts_of_a_named_model(
    name: str, options: dict[str, Any], metric: str, right: int
) -> None:
    words = ["inspect", f"{FILE}:{name}", "--json"]
    for shape in options.values():
        words += ["--input-shape", "x".join(map(str, shape))]
    done = CliRunner().invoke(group, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["metrics"][metric] == right
    assert (found["uncounted_ops"], found["uncounted_reasons"]) == ([], [])


def test_memory_of_a_custom_layer_is_that_of_its_inner_layers() -> None:
    found = cnnbench.inspect(f"{FILE}:memory_inside_traced")
    peak = found.metrics["activation_infer_peak_bytes"]
    assert peak == cnnbench.inspect("MobileNetV2").metrics["activation_infer_peak_bytes"]
    assert found.max_batch(1e9) == 101
    assert all(row.name.startswith("embed") for row in found.rows)
