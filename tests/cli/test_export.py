"""``cnnbench export``: the artefact and its card, and every way to ask for it wrongly."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cnnbench.cli import group
from cnnbench.errors import CnnbenchError, UserError
from cnnbench.execution import single_jobs
from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.compression import export as exporting
from cnnbench.probes.compression.export import ExportOptions
from cnnbench.probes.compression.settings import CompressionSetting
from tests.execution.fake import FakeExecutor

_NET = """
import tensorflow as tf


def preprocess_input(images):
    return images / 255.0


def small(input_shape=(8, 8, 1), classes=10):
    layers = tf.keras.layers
    inputs = tf.keras.Input(input_shape)
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(32, 3, activation="relu")(x))
    return tf.keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))
"""


def _refused(*arguments: str) -> str:
    result = CliRunner().invoke(group, ["export", *arguments])
    assert isinstance(result.exception, UserError), result.output
    return result.exception.one_line()


@pytest.fixture
def weights(tmp_path: Path) -> str:
    file = tmp_path / "some.weights.h5"
    file.write_bytes(b"never read by these tests")
    return str(file)


def test_an_unknown_variant_names_the_nearest(weights: str) -> None:
    words = _refused("BasicCNN", "--variant", "ptq-int9", "--weights", weights, "--out", "m.tflite")
    assert words == "--variant: unknown variant 'ptq-int9' (did you mean 'ptq-int8'?)"


def test_an_impossible_sparsity(weights: str) -> None:
    words = _refused("BasicCNN", "--variant", "pruned-120", "--weights", weights, "--out", "m")
    assert "more than 0 and less than 100" in words


def test_no_weights_file_and_no_folder(weights: str, tmp_path: Path) -> None:
    absent = str(tmp_path / "no.weights.h5")
    words = _refused("BasicCNN", "--variant", "float32", "--weights", absent, "--out", "m.tflite")
    assert words.startswith(f"{absent}: no such file")
    out = str(tmp_path / "nowhere" / "m.tflite")
    words = _refused("BasicCNN", "--variant", "float32", "--weights", weights, "--out", out)
    assert "no such folder" in words


@pytest.mark.parametrize("variant", ["ptq-int8", "qat-int8", "pruned-50", "clustered-16"])
def test_what_must_see_images_asks_for_the_data_set(variant: str, weights: str) -> None:
    words = _refused("BasicCNN", "--variant", variant, "--weights", weights, "--out", "m.tflite")
    assert words.startswith(f"--dataset: {variant} needs images")


def test_an_unknown_data_set_and_a_size_that_is_too_small(weights: str) -> None:
    common = ("--variant", "ptq-int8", "--weights", weights, "--out", "m.tflite")
    assert "did you mean 'digits'" in _refused("BasicCNN", *common, "--dataset", "digts")
    words = _refused("MobileNetV2", *common, "--dataset", "digits", "--image-size", "8")
    assert "takes at least 32 px" in words


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--fine-tune-rate", "nan", "finite number"),
        ("--fine-tune-rate", "-1", "greater than 0"),
        ("--fine-tune-epochs", "0", "greater than or equal to 1"),
        ("--representative", "9", "too few (at least 10)"),
    ],
)
def test_an_option_takes_what_a_suites_key_takes(
    option: str, value: str, words: str, weights: str
) -> None:
    common = ("--variant", "ptq-dynamic", "--weights", weights, "--out", "m.tflite")
    refused = _refused("BasicCNN", *common, option, value)
    assert refused.startswith(f"{option}: {value}")
    assert words in refused


def test_what_is_no_export_is_not_replaced(weights: str, tmp_path: Path) -> None:
    common = ("BasicCNN", "--variant", "float32", "--weights", weights)
    words = _refused(*common, "--out", weights)
    assert words.startswith(f"{weights}: exists and is not a LiteRT file")
    card = tmp_path / "network.json"
    card.write_text('{"model": "BasicCNN", "weights_sha256": "0"}')
    words = _refused(*common, "--out", str(tmp_path / "network.tflite"))
    assert words.startswith(f"{card}: exists and is not a card of an export")
    assert sorted(tmp_path.iterdir()) == [card, Path(weights)]


def _exporter(
    content: bytes = b"\x1c\0\0\0TFL3 and so on",
    card: str = '{"variant": "float32", "sha256": "0"}',
    result: JobResult = JobResult("ok"),  # noqa: B008
) -> FakeExecutor:
    """Leaves a variant's file and card, and ends with ``result``."""

    def answer(request: JobRequest) -> JobResult:
        folder = Path(request.artifacts).parent / "converted-0"
        folder.mkdir(exist_ok=True)
        (folder / "model.tflite").write_bytes(content)
        (folder / "card.json").write_text(card)
        return result

    return FakeExecutor(answer)


def _exported(weights: str, out: Path, executor: FakeExecutor) -> None:
    options = ExportOptions("BasicCNN", "float32", Path(weights), out)
    exporting.export(options, partial(single_jobs.run, executor=executor))


def test_file_and_card_are_replaced_together_or_not_at_all(weights: str, tmp_path: Path) -> None:
    out = tmp_path / "m.tflite"
    _exported(weights, out, _exporter())
    first = (tmp_path / "m.json").read_text()
    assert json.loads(first)["variant"] == "float32"
    card = '{"variant": "float32", "sha256": NaN}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        _exported(weights, out, _exporter(b"\x1c\0\0\0TFL3 and so on, but new", card))
    assert out.read_bytes().endswith(b"and so on")
    assert (tmp_path / "m.json").read_text() == first
    assert len(list(tmp_path.iterdir())) == 3, "no part of a file is left behind"


@pytest.mark.parametrize(("is_users", "error"), [(True, UserError), (False, CnnbenchError)])
def test_whose_mistake_it_was_decides_the_exit_code(
    is_users: bool, error: type, weights: str, tmp_path: Path
) -> None:
    failure = JobResult("failed", "why", is_user_error=is_users)
    with pytest.raises(CnnbenchError, match="why") as caught:
        _exported(weights, tmp_path / "m.tflite", _exporter(result=failure))
    assert caught.type is error


def test_the_summary_of_a_card_names_size_accuracy_and_flags() -> None:
    metrics = {"top1": 0.5, "agreement": 0.75, "coverage_macs": 1.0}
    flags = {"flags": ["output disagrees with Keras"]}
    card = {"model": "Net", "variant": "ptq-int8", "bytes": 1000, "metrics": metrics}
    assert exporting.summary(card | {"read_back": flags}, Path("m.tflite")) == (
        "m.tflite: Net ptq-int8, 1 kB; top-1 50.0 %, agreement with float32 75.0 %; "
        "100.0 % of the MACs covered; output disagrees with Keras; card in m.json"
    )


def _asked(weights: str, model: str = "BasicCNN", **options: Any) -> CompressionSetting:
    """The setting of an export of ``ptq-int8``."""
    chosen = ExportOptions(model, "ptq-int8", Path(weights), Path("m.tflite"), **options)
    return exporting.resolve(chosen)[0]


def _network_card(folder: Path, model: str, **known: str) -> None:
    training = AccuracySetting(dataset="digits", image_size=28, epochs=3, **known)
    facts = {"model": model, "training": training.model_dump(mode="json")}
    (folder / "network.json").write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("options", "dataset", "image_size", "epochs"),
    [
        ({}, "digits", 28, 3),
        ({"image_size": 32}, "digits", 32, 3),
        ({"dataset": "digits"}, "digits", 28, 3),
        ({"dataset": "fashion_mnist"}, "fashion_mnist", 28, 5),  # of which the card knows nothing
    ],
)
def test_weights_that_a_run_kept_know_their_training(
    options: dict[str, Any],
    dataset: str,
    image_size: int,
    epochs: int,
    weights: str,
    tmp_path: Path,
) -> None:
    _network_card(tmp_path, "BasicCNN")
    setting = _asked(weights, **options)
    assert setting.training is not None
    found = (setting.training.dataset, setting.training.image_size, setting.training.epochs)
    assert found == (dataset, image_size, epochs)


def test_pictures_that_were_changed_since_are_noticed(weights: str, tmp_path: Path) -> None:
    _network_card(tmp_path, "BasicCNN", dataset_sha256="abc")
    asked = [_asked(weights), _asked(weights, dataset="fashion_mnist")]
    hashes = [setting.training.dataset_sha256 for setting in asked if setting.training]
    assert hashes == ["abc", ""], "of another data set the card knows nothing"


def test_a_card_of_another_network_says_nothing(weights: str, tmp_path: Path) -> None:
    common = ("--variant", "ptq-int8", "--weights", weights, "--out", "m.tflite")
    for write in (
        lambda: _network_card(tmp_path, "LeNet5"),
        lambda: (tmp_path / "network.json").write_text("{"),
    ):
        write()
        assert _refused("BasicCNN", *common).startswith("--dataset: ptq-int8 needs images")


SISTER = "MobileNetV2[alpha=0.35,input_shape=96x96x3]"


@pytest.mark.parametrize(
    ("model", "given", "image_size"),
    [
        (SISTER, None, "own"),
        (SISTER, 96, 96),
        ("MobileNetV2", None, 224),
        ("MobileNetV2", 160, 160),
    ],
)
def test_a_network_is_exported_at_the_input_that_its_name_states(
    model: str, given: int | None, image_size: int | str, weights: str
) -> None:
    setting = _asked(weights, model, dataset="tf_flowers", image_size=given)
    assert setting.training is not None and setting.training.image_size == image_size


def test_another_size_than_a_name_states_is_a_mistake(weights: str) -> None:
    common = ("--variant", "ptq-int8", "--weights", weights, "--out", "m.tflite")
    words = _refused(SISTER, *common, "--dataset", "digits", "--image-size", "224")
    assert words == f"--image-size: {SISTER} keeps its own input, 96x96x3 (omit it)"


@pytest.mark.slow
def test_the_artefact_and_its_card(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(_NET)
    saved = """
import tensorflow as tf, net
tf.keras.utils.set_random_seed(0)
small = net.small()
small.save_weights("w.weights.h5")
small.set_weights([weight * float("nan") for weight in small.get_weights()])
small.save_weights("nan.weights.h5")
net.small(classes=7).save_weights("seven.weights.h5")
"""
    subprocess.run([sys.executable, "-c", saved], cwd=tmp_path, check=True, capture_output=True)

    def export(*arguments: str, weights: str = "w.weights.h5") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cnnbench", "export", "net:small", *arguments]
        return subprocess.run(
            [*command, "--weights", weights], cwd=tmp_path, capture_output=True, text=True
        )

    done = export("--variant", "ptq-dynamic", "--out", "dynamic.tflite")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "no log and no converter's chatter"
    content = (tmp_path / "dynamic.tflite").read_bytes()
    card = json.loads((tmp_path / "dynamic.json").read_text())
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["bytes"] == len(content)
    weights = hashlib.sha256((tmp_path / "w.weights.h5").read_bytes()).hexdigest()
    assert card["from"]["weights_file_sha256"] == weights
    assert card["from"]["weights"] == "from w.weights.h5"

    options = ("--variant", "pruned-50+ptq-int8", "--dataset", "digits", "--fine-tune-epochs", "1")
    done = export(*options, "--out", "sparse.tflite", "--json")
    assert done.returncode == 0, done.stderr
    card = json.loads(done.stdout)
    assert card["variant"] == "pruned-50+ptq-int8"
    known = {"dataset": "digits", "recipe": "scratch", "image_size": 8, "dataset_sha256": ""}
    assert card["from"]["training"] == known, "nothing else is known of weights in a file"
    assert card["made"]["representative_images"] == 100
    assert card["metrics"]["sparsity"] >= 0.49
    assert card["metrics"]["coverage_macs"] == 1.0
    assert 0 <= card["metrics"]["top1"] <= 1

    done = export(
        "--variant", "ptq-int8", "--dataset", "digits", "--representative", "3", "--out", "x.tflite"
    )
    assert done.returncode == 2
    assert done.stderr == "cnnbench: --representative: 3 is too few (at least 10)\n"
    assert not list(tmp_path.glob("x.tflite*"))

    done = export("--variant", "ptq-float16", "--out", "x.tflite", weights="nan.weights.h5")
    assert done.returncode == 1
    assert "its outputs are not finite" in done.stderr
    assert not (tmp_path / "x.tflite").exists()

    done = export("--variant", "float32", "--out", "x.tflite", weights="seven.weights.h5")
    assert done.returncode == 2
    assert "seven.weights.h5 do not fit net:small" in done.stderr
