"""Networks with several outputs, in dictionaries and lists: the class is read from one, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cnnbench.cli.predict import command as predict
from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.interface import Context, ProbeResult
from tests.probes.compressed import run

NETS = """
import tensorflow as tf

L = tf.keras.layers


def several(input_shape=(8, 8, 1), classes=10):
    inputs = tf.keras.Input(input_shape)
    x = L.Conv2D(16, 3, padding="same", activation="relu")(inputs)
    x = L.Conv2D(32, 3, strides=2, activation="relu")(L.BatchNormalization()(x))
    x = L.GlobalAveragePooling2D()(x)
    quality = L.Dense(1, name="a_quality")(x)
    probs = L.Dense(classes, activation="softmax", name="z_probs")(x)
    return tf.keras.Model(inputs, {"size": [quality, L.Dense(2)(x)], "classes": probs})


def classes_first(input_shape=(8, 8, 1), classes=10):
    whole = several(input_shape, classes)
    size, probs = whole.output["size"], whole.output["classes"]
    return tf.keras.Model(whole.input, {"probs": probs, "areas": size})
"""
SHORT: dict[str, Any] = {"dataset": "digits", "image_size": 8, "epochs": 3, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("heads")  # one for all: a module is imported once
    (place / "heads.py").write_text(NETS)
    return place


def trained(text: str, folder: Path) -> ProbeResult:
    setting = AccuracySetting.model_validate({**SHORT, "keep_weights": True})
    return accuracy.run(registry.resolve(text, [folder]), setting, Context(0, folder, folder))


def test_the_named_output_is_trained_judged_and_kept(folder: Path) -> None:
    found = trained("heads.py:several[output=classes]", folder)
    assert found.metrics["top1"] > 0.8
    assert found.details["output"] == "classes"
    kept = registry.resolve("seed-0.keras", [folder])
    assert (kept.classes, len(kept.build().outputs)) == (10, 1)


def test_where_none_is_named_the_first_is_taken_and_said(folder: Path) -> None:
    found = trained("heads.py:classes_first", folder)
    assert found.metrics["top1"] > 0.8
    assert found.details["output"] == "probs"


def test_an_output_that_is_the_only_one_is_no_choice(folder: Path) -> None:
    (folder / "alone.py").write_text(
        NETS + "\n\ndef alone(input_shape=(8, 8, 1), classes=10):\n"
        "    whole = several(input_shape, classes)\n"
        "    return tf.keras.Model(whole.input, {'probs': whole.output['classes']})\n"
    )
    found = trained("alone.py:alone", folder)
    assert found.metrics["top1"] > 0.8
    assert "output" not in found.details


def test_a_file_is_judged_on_pictures_by_the_output_it_is_asked_for(tmp_path: Path) -> None:
    import tensorflow as tf

    inputs = tf.keras.Input((8, 8, 1))
    dark = tf.keras.layers.Dense(2, activation="softmax", name="dark")
    probs = dark(tf.keras.layers.GlobalAveragePooling2D()(inputs))
    network = tf.keras.Model(inputs, {"size": probs[:, :1], "classes": probs})
    dark.set_weights([np.array([[-1.0, 1.0]]), np.array([100.0, -100.0])])
    network.save(tmp_path / "lights.keras")
    for name, value in (("dark", 20), ("light", 230)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        picture = Image.fromarray(np.full((8, 8), value, np.uint8))
        picture.save(tmp_path / "photos" / name / "0.png")
    words = {"dataset": "folder:photos", "recipe": "pretrained", "preprocessing": "none"}
    setting = AccuracySetting.model_validate({**words, "image_size": 8})
    subject = registry.resolve("lights.keras[output=classes]", [tmp_path])
    found = accuracy.run(subject, setting, Context(0, tmp_path, tmp_path, search_path=(tmp_path,)))
    assert (found.metrics["top1"], found.details["output"]) == (1.0, "classes")


def test_an_output_that_is_not_there_is_a_mistake(folder: Path) -> None:
    with pytest.raises(UserError, match=r"no output 'clases' \(did you mean 'classes'\?\)"):
        trained("heads.py:several[output=clases]", folder)


def test_the_output_is_part_of_the_name_and_of_the_key(folder: Path) -> None:
    plain = registry.resolve("heads.py:several", [folder])
    named = registry.resolve("heads.py:several[output=size.1]", [folder])
    assert (plain.label, named.label) == ("heads:several", "heads:several[output=size.1]")
    assert "output" not in plain.identity()
    assert named.identity() == {**plain.identity(), "output": "size.1"}
    assert registry.resolve("heads.py:several[output=1]", [folder]).output == "1"


def test_a_builders_own_parameter_of_that_name_stays_its_own(folder: Path) -> None:
    (folder / "own.py").write_text("def net(output='softmax', classes=3): ...\n")
    model = registry.resolve("own.py:net[output=linear]", [folder])
    assert (model.output, dict(model.parameters)) == (None, {"output": "linear"})


def test_a_file_tells_how_wide_its_judged_output_is(folder: Path) -> None:
    registry.resolve("heads.py:several", [folder]).build().save(folder / "several.keras")
    for name, width in (("classes", 10), ("size.0", 1), ("size.1", 2)):
        model = registry.resolve(f"several.keras[output={name}]", [folder])
        assert model.classes == width
        assert model.label == f"several.keras[output={name}]"
    assert registry.resolve("several.keras", [folder]).classes == 1, "the first"
    assert trained("several.keras[output=classes]", folder).metrics["top1"] > 0.8


def test_predict_reads_the_named_output_or_says_which_it_took(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    network = registry.resolve("heads.py:classes_first", [folder]).build()
    network.save("net.keras")
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4).save("x.png")
    pixels = np.arange(64, dtype=np.float32).reshape(1, 8, 8, 1) * 4 / 255
    answers = network(pixels)

    def asked(text: str) -> tuple[list[float], str]:
        done = CliRunner().invoke(predict, [text, "x.png", "--json", "--top", "10"])
        assert done.exit_code == 0, done.output
        (row,) = json.loads(done.stdout)
        guesses = sorted(row["classes"], key=lambda guess: guess["number"])
        return [guess["probability"] for guess in guesses], done.stderr

    first, said = asked("net.keras")
    assert first == pytest.approx(np.asarray(answers["probs"])[0], abs=1e-5)
    assert "classes are read from its output 'probs'" in said
    named, said = asked("net.keras[output=areas.1]")
    logits = np.exp(np.asarray(answers["areas"][1], np.float64)[0])
    assert named == pytest.approx(logits / logits.sum(), abs=1e-5)
    assert "output" not in said


_COMPRESSION = """
name: s
models: ["heads:several[output=classes]"]
probes:
  compression:
    training: {dataset: digits, epochs: 10, learning_rate: 0.02}
    variants: [ptq-int8, qat-int8]
    fine_tune_epochs: 1
    min_rounds: 1
    max_rounds: 1
"""


@pytest.mark.slow
def test_the_named_output_is_compressed_and_judged(folder: Path) -> None:
    code, report, records = run(folder, _COMPRESSION)
    assert code == 0, [record["reason"] for record in records if record["status"] != "ok"]
    (top1,) = (name for name in report.columns if name.startswith("top1@"))
    assert (report[top1] > 0.8).all()


@pytest.mark.slow
def test_random_weights_of_several_outputs_are_compressed(folder: Path) -> None:
    lines = [line for line in _COMPRESSION.splitlines() if "training" not in line]
    code, _, records = run(folder, "\n".join(lines))
    assert code == 0, [record["reason"] for record in records if record["status"] != "ok"]
