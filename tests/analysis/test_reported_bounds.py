"""Uncounted operations and bounds are reported in text, JSON, HTML and records."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import tensorflow as tf
from click.testing import CliRunner

import cnnbench
from cnnbench.analysis.building import one_layer_model
from cnnbench.cli import group
from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.probes import static
from cnnbench.probes.interface import Context
from cnnbench.probes.static import StaticSetting
from tests.analysis import cases

LOOP = f"{cases.__file__}:loop_until"
NAME, REASON = "until (Until: StatelessWhile)", "a loop whose length depends on the data"


def inspect_output(*words: str) -> str:
    done = CliRunner().invoke(group, ["inspect", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_text_names_a_loop_of_unknown_length() -> None:
    text = inspect_output(LOOP)
    assert f"Not counted: {NAME}: {REASON}." in text
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    for metric in ("macs", "flops", "receptive_field_px", "activation_infer_peak_bytes"):
        assert "at least" in lines[metric]
    assert "at least" not in lines["params"]
    assert "The receptive field is a lower bound: it cannot be followed through until." in text


def test_json_and_html_name_a_loop_of_unknown_length() -> None:
    data = json.loads(inspect_output(LOOP, "--json"))
    assert (data["uncounted_ops"], data["uncounted_reasons"]) == ([NAME], [REASON])
    assert data["bounds"]["macs"] == data["bounds"]["receptive_field_px"] == "at least"
    assert data["counted_from"] == "traced graph"
    page = inspect_output(LOOP, "--html", "-")
    assert REASON in page
    assert "at least" in page


def test_static_records_name_a_loop_of_unknown_length(tmp_path: Path) -> None:
    context = Context(repeat=0, artifacts=tmp_path, scratch=tmp_path)
    found = static.run(registry.resolve(LOOP), StaticSetting(), context)
    assert found.details["uncounted_ops"] == [NAME]
    assert found.details["uncounted_reasons"] == [REASON]
    assert found.details["bounds"]["macs"] == "at least"
    assert found.metrics["uncounted_ops"] == 1
    assert found.details["training_memory"] == "estimate"
    assert found.details["training_memory_reason"]


def test_notes_name_a_layer_that_reads_its_whole_input() -> None:
    words = ("--layer", "GlobalAveragePooling2D()", "--input-shape", "7x7x8")
    sentence = r"from global_average_pooling2d\w* on, every output depends on the whole input"
    assert re.search(sentence, inspect_output(*words).lower())
    data = json.loads(inspect_output(*words, "--json"))
    assert any(re.match(sentence, note) for note in data["notes"])
    assert data["metrics"]["receptive_field_px"] == 1  # of windows


@pytest.mark.parametrize(
    "text",
    ["Conv2D({[1]: 2})", "Conv2D(" + "(" * 5_000 + ")" * 5_000 + ")", "Conv2D(5"],
    ids=["unhashable", "nested", "unclosed"],
)
def test_rejects_text_that_is_no_layer(text: str) -> None:
    with pytest.raises(UserError, match="is not a layer"):
        one_layer_model(text, (8, 8, 3))


def test_training_memory_includes_the_output_of_a_single_layer() -> None:
    words = ("--layer", "Conv2D(200,5,padding=same)", "--input-shape", "150x100x3")
    for more in ((), ("--trace-training",)):
        data = json.loads(inspect_output(*words, "--batch", "100", "--json", *more))
        assert data["metrics"]["activation_train_bytes"] == 1_200_000_000


def test_inspect_takes_a_name_or_a_live_model() -> None:
    named = cnnbench.inspect("LeNet5", batch_size=2)
    assert named.metrics["macs"] == 416_520
    assert named.model == "LeNet5"
    model = registry.resolve("LeNet5").architecture()
    assert cnnbench.inspect(model, batch_size=2).metrics == named.metrics
    assert cnnbench.inspect("lenet-5[classes=3]").metrics["params"] == 61_706 - 7 * 85
    with pytest.raises(UserError, match="unknown model 'LeNet6'"):
        cnnbench.inspect("LeNet6")


def test_refusal_names_the_layer_that_cannot_be_traced() -> None:
    class Broken(tf.keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: tf.Tensor) -> tf.Tensor:
            if not hasattr(x, "numpy"):
                raise RuntimeError("only with numbers")
            return x

        def compute_output_spec(self, x: tf.Tensor) -> tf.Tensor:
            return tf.keras.KerasTensor(x.shape, "float32")

    inputs = tf.keras.Input((8,))
    model = tf.keras.Model(inputs, Broken(name="broken")(inputs))
    with pytest.raises(UserError, match=r"layer 'broken' .Broken.: .*only with numbers"):
        cnnbench.inspect(model)
