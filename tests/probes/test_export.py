"""Export of a variant with a fake executor: files, errors, and settings from the network's card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cnnbench.api.export_plan import carry_out as export
from cnnbench.errors import CnnbenchError, UserError
from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.models import registry
from cnnbench.probes import artifacts
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.compression import export_options, exported_file, paths
from cnnbench.probes.compression.export_options import ExportOptions
from cnnbench.probes.compression.settings import CompressionSetting
from tests.execution.fake import FakeExecutor


@pytest.fixture
def weights(tmp_path: Path) -> str:
    file = tmp_path / "some.weights.h5"
    file.write_bytes(b"never read by these tests")
    return str(file)


def _exporter(
    content: bytes = b"\x1c\0\0\0TFL3 and so on",
    card: str = '{"variant": "float32", "sha256": "0"}',
    result: JobResult = JobResult("ok"),  # noqa: B008
) -> FakeExecutor:
    """Return an executor that writes a variant's file and card and ends with ``result``."""

    def answer(request: JobRequest) -> JobResult:
        if request.setting["part"] == "finish":
            Path(request.artifacts, "model.tflite").write_bytes(content)
            made = {"sha256": "0", "metrics": {"file_bytes": len(content)}}
            Path(request.artifacts, "finished.json").write_text(json.dumps(made))
            return result
        label = registry.resolve(request.model).label
        setting = CompressionSetting.model_validate(request.setting)
        key = paths.variant_key(label, setting)
        folder = artifacts.claim(Path(request.artifacts).parent, key, [setting.variant])
        (folder / "model.tflite").write_bytes(content)
        (folder / "card.json").write_text(card)
        return result

    return FakeExecutor(answer)


def _exported(weights: str, out: Path, executor: FakeExecutor) -> None:
    options = ExportOptions("BasicCNN", "float32", Path(weights), out)
    export(options, executor=executor)


def test_replaces_file_and_card_together_or_not_at_all(weights: str, tmp_path: Path) -> None:
    out = tmp_path / "m.tflite"
    _exported(weights, out, _exporter())
    first = (tmp_path / "m.json").read_text()
    assert json.loads(first)["variant"] == "float32"
    card = '{"variant": "float32", "made": NaN}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        _exported(weights, out, _exporter(b"\x1c\0\0\0TFL3 and so on, but new", card))
    assert out.read_bytes().endswith(b"and so on")
    assert (tmp_path / "m.json").read_text() == first
    assert len(list(tmp_path.iterdir())) == 3, "no part of a file is left behind"


def test_keeps_its_jobs_on_one_machine(weights: str, tmp_path: Path) -> None:
    executor = _exporter()
    _exported(weights, tmp_path / "m.tflite", executor)
    groups = {request.group for request in executor.requests}
    assert len(executor.requests) == 3 and len(groups) == 1 and groups != {""}


@pytest.mark.parametrize(("is_users", "error"), [(True, UserError), (False, CnnbenchError)])
def test_raises_a_user_error_only_for_a_users_mistake(
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
    card |= {"latency": {"latency_p50_s": 0.002, "threads": 2}}
    assert exported_file.summary(card | {"read_back": flags}, Path("m.tflite")) == (
        "m.tflite: Net ptq-int8, 1 kB; top-1 50.0 %, agreement with float32 75.0 %; "
        "100.0 % of the MACs covered; p50 2 ms with 2 threads, in one process only; "
        "output disagrees with Keras; card in m.json"
    )


def _asked(weights: str, model: str = "BasicCNN", **options: Any) -> CompressionSetting:
    """Return the setting of an export of ``ptq-int8``."""
    chosen = ExportOptions(model, "ptq-int8", Path(weights), Path("m.tflite"), **options)
    return export_options.resolve(chosen).setting


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
        ({"dataset": "fashion_mnist"}, "fashion_mnist", 28, 5),  # not the card's data set
    ],
)
def test_reads_the_training_settings_from_the_card_beside_the_weights(
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


def test_uses_the_hash_of_the_card_only_for_its_data_set(weights: str, tmp_path: Path) -> None:
    _network_card(tmp_path, "BasicCNN", dataset_sha256="abc")
    asked = [_asked(weights), _asked(weights, dataset="fashion_mnist")]
    hashes = [setting.training.dataset_sha256 for setting in asked if setting.training]
    assert hashes == ["abc", ""], "the card is about another data set"


@pytest.mark.parametrize(
    ("model", "given", "image_size"),
    [
        ("MobileNetV2[alpha=0.35,input_shape=96x96x3]", None, "own"),
        ("MobileNetV2[alpha=0.35,input_shape=96x96x3]", 96, 96),
        ("MobileNetV2", None, 224),
        ("MobileNetV2", 160, 160),
    ],
)
def test_exports_at_the_input_shape_in_the_models_name(
    model: str, given: int | None, image_size: int | str, weights: str
) -> None:
    setting = _asked(weights, model, dataset="tf_flowers", image_size=given)
    assert setting.training is not None and setting.training.image_size == image_size


@pytest.mark.parametrize("is_valid", [True, False])
def test_ignores_a_card_of_another_network_and_one_that_is_not_json(
    is_valid: bool, weights: str, tmp_path: Path
) -> None:
    _network_card(tmp_path, "LeNet5")
    if not is_valid:
        (tmp_path / "network.json").write_text("{")
    with pytest.raises(UserError, match="ptq-int8 needs images"):
        _asked(weights)
