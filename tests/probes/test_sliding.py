"""The ``sliding`` probe: a classifier made fully convolutional, compared with its crops."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cnnbench.models import registry
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.sliding import PROBE
from cnnbench.probes.sliding import run as sliding
from cnnbench.probes.sliding.settings import SlidingSetting, SlidingSpec
from cnnbench.report.sections import sliding as report
from cnnbench.results import tables
from cnnbench.statistics.measurement import OK
from tests.processes import HANGS_AFTER_S
from tests.records import Book

NETS = """
from tensorflow import keras

L = keras.layers


def net(input_shape=(8, 8, 1), classes=10, padding="valid", gate=False):
    inputs = keras.Input(input_shape)
    x = L.Conv2D(8, 3, padding=padding, activation="relu", name="conv")(inputs)
    if gate:
        pooled = L.Reshape((1, 1, 8))(L.GlobalAveragePooling2D(name="gate")(x))
        x = L.Multiply()([x, L.Dense(8, "sigmoid")(pooled)])
    x = L.Flatten()(L.MaxPooling2D(2)(x))
    return keras.Model(inputs, L.Dense(classes, "softmax")(x))
"""
SHORT = {
    "dataset": "digits", "train_examples": 200, "test_examples": 100, "epochs": 3,
    "batch_size": 16, "learning_rate": 0.02,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sliding")  # one for all: a module is imported once
    (place / "slid.py").write_text(NETS)
    return place


def setting(text: str, folder: Path, **spec: object) -> SlidingSetting:
    made = SlidingSpec.model_validate({"count": 4, **spec})
    (found,) = made.located([folder], None).settings(registry.resolve(text, [folder]))
    return found


def compare(text: str, folder: Path, scratch: Path, **spec: object) -> ProbeResult:
    model = registry.resolve(text, [folder])
    context = Context(0, scratch, scratch, search_path=(folder,))
    return sliding.run(model, setting(text, folder, **spec), context)


def test_a_trained_valid_network_gives_equal_answers_everywhere(
    folder: Path, tmp_path: Path
) -> None:
    name = "slid.py:net+slide[input_shape=16x14x1]"
    found = compare(name, folder, tmp_path, training=SHORT)
    assert found.metrics["windows"] == 5 * 4
    assert found.metrics["native_max_abs_diff"] < 1e-5
    assert found.metrics["place_max_abs_diff"] < 1e-5
    assert found.metrics["place_agreement"] == 1
    assert found.details["top1"] > 0.5
    assert found.details["border"] == {"padded": (), "pooled": ()}
    assert found.details["compared"] == 4 * 20
    again = compare(name, folder, tmp_path, training=SHORT)
    assert again.metrics["place_max_abs_diff"] == found.metrics["place_max_abs_diff"]


def test_padding_is_measured_and_named(folder: Path, tmp_path: Path) -> None:
    name = "slid.py:net[padding=same,gate=true]+slide[input_shape=20x20x1]"
    found = compare(name, folder, tmp_path, training=SHORT)
    assert found.metrics["native_max_abs_diff"] < 1e-5
    assert found.metrics["place_max_abs_diff"] > 1e-3
    assert found.metrics["place_agreement"] < 1
    assert found.details["border"] == {"padded": ("conv",), "pooled": ("gate",)}


def test_weights_of_the_classifier_come_from_a_file(folder: Path, tmp_path: Path) -> None:
    classifier = registry.resolve("slid.py:net", [folder])
    calibrated_model.build(classifier).save_weights(folder / "net.weights.h5")
    found = compare(
        "slid.py:net+slide[input_shape=12x12x1]", folder, tmp_path,
        training={"dataset": "digits"}, weights="net.weights.h5", pictures="digits",
    )  # fmt: skip
    assert found.details["weights"] == "from net.weights.h5"
    assert "train_s" not in found.metrics
    assert found.metrics["place_max_abs_diff"] < 1e-5


def test_random_weights_slide_over_noise(folder: Path, tmp_path: Path) -> None:
    found = compare("slid.py:net+slide[input_shape=12x12x1]", folder, tmp_path)
    assert found.details["weights"] == "random, seeded"
    assert found.metrics["place_max_abs_diff"] < 1e-5


def test_settings_and_labels(folder: Path) -> None:
    name = "slid.py:net+slide[input_shape=12x12x1]"
    assert setting(name, folder).label() == "random weights/noise/n4"
    trained = setting(name, folder, training=SHORT)
    assert trained.label() == (
        "digits/scratch/own/3ep/n200/test_examples=100/batch_size=16/learning_rate=0.02/mosaic/n4"
    )
    assert trained.training is not None
    assert trained.training.image_size == "own"
    assert trained.training_pixels((12, 12, 1)) == 3 * 200 * 8 * 8
    plain = SlidingSpec().settings(registry.resolve("slid.py:net", [folder]))
    assert list(plain) == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"weights": "w.h5"}, "weights needs training"),
        ({"pictures": "mosaic"}, "pictures needs training"),
        ({"training": {"dataset": "digits"}, "pictures": "nowhere"}, "unknown data set"),
        ({"training": {"dataset": "digits", "recipe": "transfer"}}, "only recipe: scratch"),
    ],
)
def test_refuses_entries_that_contradict_themselves(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SlidingSpec.model_validate(entry)


# The report -----------------------------------------------------------------------------------


def book() -> Book:
    made = Book(shape=(40, 40, 1))
    for head, macs in (("slide", 10), ("crops", 55)):
        made.static(f"Net+{head}[input_shape=40x40x1]", macs=macs)
        made.latency(f"Net+{head}[input_shape=40x40x1]", macs / 1e4, noise=0.001)
    return made


def compared(made: Book, difference: float, agreement: float, **border: list[str]) -> None:
    metrics = {
        "windows": 9.0, "native_max_abs_diff": 1e-7, "place_max_abs_diff": difference,
        "place_agreement": agreement,
    }  # fmt: skip
    details = {"border": {"padded": [], "pooled": [], **border}}
    made.record("Net+slide[input_shape=40x40x1]", SlidingSetting(), 0, metrics, details=details)


def test_a_report_shows_both_forms_next_to_each_other() -> None:
    made = book()
    compared(made, 2e-7, 1.0)
    section = report.section(tables.measured(made.records))
    assert section is not None
    answers, costs = section.blocks
    assert answers.rows == (("Net on 40x40x1", "9", "1.0e-07", "2.0e-07", "100.0 %"),)
    lines = {quantity: rest for _, quantity, *rest in costs.rows}
    assert lines["MACs"] == ["10", "55", "5.5"]
    assert float(lines["Latency cpu/litert/b1"][-1]) == pytest.approx(5.5, rel=0.3)
    (note,) = section.notes
    assert "gives the classifier's answer at every window" in note


def test_a_report_names_what_makes_answers_differ() -> None:
    made = book()
    compared(made, 0.46, 0.48, padded=["a", "b", "c", "d"], pooled=["g"])
    section = report.section(tables.measured(made.records))
    assert section is not None
    assert section.notes == (
        "Net on 40x40x1: answers differ from the classifier's on crops by up to 0.46, the same "
        "class in 48 % of the windows: a, b, c and 1 more layers pad their maps, so that a crop "
        "has zeros at its border where the larger picture goes on; g pool the whole picture where "
        "a crop pools itself",
    )


def test_a_report_without_a_classifier_that_slides_has_no_section() -> None:
    assert report.section(tables.measured(Book().static("LeNet5", macs=5).records)) is None


def test_a_damaged_detail_is_noticed() -> None:
    made = book()
    compared(made, 2e-7, 1.0)
    broken = replace(made.records[-1], details={"border": {"padded": 3}})
    with pytest.raises(ValueError, match="border"):
        broken.check_details(PROBE.details)
    assert PROBE.summarise(SlidingSetting(), made.records[-1:])["windows"].status == OK


# A process ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_suite_runs_in_processes_and_reports(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "slid_in_suite.py").write_text(NETS)
    (tmp_path / "tiny.yaml").write_text(
        "name: tiny\n"
        "models: ['slid_in_suite.py:net+slide[input_shape=12x12x1]', "
        "'slid_in_suite.py:net+crops[input_shape=12x12x1]']\n"
        "probes:\n"
        "  static: {}\n"
        "  sliding: {training: {dataset: digits, train_examples: 100, test_examples: 50, "
        "epochs: 1}, count: 2}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", "run", "tiny.yaml"],
        cwd=tmp_path, capture_output=True, text=True, timeout=HANGS_AFTER_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "results" / "tiny").iterdir()
    shown = (run / "report.md").read_text()
    assert "A classifier at every window of a larger picture" in shown
    # 9 windows: 9 x (36 x 9 x 8 + 72 x 10) on crops; 100 x 9 x 8 + 9 x 720 fully convolutional.
    assert "| MACs | 13,680 | 29,808 | 2.2 |" in shown
    assert "none of its layers pads its maps" in shown
    assert "Difference at any window" in (run / "report.html").read_text()
