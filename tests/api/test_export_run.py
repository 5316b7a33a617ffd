"""Export from a run: which network is taken, from where, and what is said if there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cnnbench import __version__
from cnnbench.api.export_plan import carry_out as export
from cnnbench.api.export_plan import is_run, planned
from cnnbench.errors import UserError
from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.execution.run_folder import RunFolder, model_key
from cnnbench.models import registry
from cnnbench.probes import artifacts
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.compression import paths
from cnnbench.probes.compression.export import Export
from cnnbench.probes.compression.export_options import ExportOptions
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.settings import Setting
from cnnbench.record import FLOAT32, PREPARE, Record, job_key
from cnnbench.results.journal import FILE_NAME, Header
from tests.execution.fake import FakeExecutor

TRAINING = AccuracySetting(dataset="fashion_mnist", image_size=28, epochs=2)
FLATBUFFER = b"\x1c\0\0\0TFL3 and so on"


def a_record(label: str, setting: Setting, repeat: int = 0, **details: Any) -> Record:
    """Return the record of a successful job of the model ``label``."""
    values = setting.model_dump(mode="json")
    identity = registry.resolve(label).identity()
    key = job_key(identity, setting.variant_name(), setting.probe, values, repeat)
    return Record(key, 1, label, setting.variant_name(), setting.probe, values, repeat, "ok", "",
                  (28, 28, 1), 10, details=details)  # fmt: skip


def a_run(folder: Path, *records: Record) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        Header("plan", "environment", __version__).to_json(),
        *(one.to_json() for one in records),
    ]
    (folder / FILE_NAME).write_text("".join(f"{line}\n" for line in lines))
    (folder / "artifacts").mkdir(exist_ok=True)
    return folder


def of_model(run: Path, label: str) -> Path:
    """Return the folder of a model in the artifacts of a run, made if necessary."""
    found = RunFolder(run).model_folder(label)
    if found is None:
        found = artifacts.claim(run / "artifacts", model_key(label), [label])
    return found


def kept(run: Path, label: str, seed: int = 0, **changed: Any) -> Record:
    """Return the record of a training whose weights are in the run."""
    setting = TRAINING.model_copy(update={"keep_weights": True, **changed})
    cell = artifacts.claim(of_model(run, label), f"{seed}{setting.label()}", [setting.label()])
    file = cell / f"seed-{seed}.weights.h5"
    file.write_bytes(f"weights of {label}, {seed}".encode())
    path = file.relative_to(run).as_posix()
    return a_record(label, setting, seed, kept_weights=path)


def asked(run: Path, of_run: str | None = None, variant: str = "ptq-int8", **given: Any) -> Export:
    return planned(ExportOptions(str(run), variant, None, Path("m.tflite"), **given), of_run)


def test_takes_weights_data_set_and_size_from_the_only_training(tmp_path: Path) -> None:
    run = tmp_path / "s" / "20260101T000000Z"
    a_run(run)
    a_run(run, kept(run, "LeNet5", 1), kept(run, "LeNet5", 0))
    found = asked(run.parent)
    assert found.model == "LeNet5"
    assert found.setting.training == TRAINING
    assert found.setting.weights.endswith("seed-0.weights.h5"), "the first seed, not the best"
    assert found.setting.representative == 100
    assert found.training == TRAINING.model_dump(mode="json")
    assert found.origin["run"]["name"] == "s/20260101T000000Z"
    assert found.origin["run"]["seed"] == 0
    assert str(tmp_path) not in json.dumps(found.origin)


def test_lists_the_trained_networks_of_a_run_with_several(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    a_run(run, kept(run, "LeNet5"), kept(run, "BasicCNN"), kept(run, "LeNet5", epochs=3))
    with pytest.raises(UserError) as error:
        asked(run)
    assert "keeps 3 trained networks: LeNet5 (fashion_mnist/scratch/2ep), BasicCNN" in str(
        error.value
    )
    assert f"export {run} MODEL" in str(error.value)
    assert asked(run, "basic-cnn").model == "BasicCNN"
    with pytest.raises(UserError, match="--dataset, --recipe or --image-size"):
        asked(run, "LeNet5")
    with pytest.raises(UserError, match=r"has --dataset digits"):
        asked(run, "LeNet5", dataset="digits")
    with pytest.raises(
        UserError, match=r"MODEL: 'LeNet6' is not in .* \(did you mean 'LeNet5'\?\)"
    ):
        asked(run, "LeNet6")


@pytest.mark.parametrize(
    ("records", "words"),
    [
        (
            lambda run: [a_record("LeNet5", TRAINING)],
            "keeps no trained weights (set `keep_weights: true`",
        ),
        (lambda run: [], "keeps no trained weights (add to its suite an accuracy entry with"),
        (
            lambda run: [a_record("LeNet5", TRAINING.model_copy(update={"keep_weights": True}))],
            "the weights that the run kept are gone from its artifacts",
        ),
        (
            lambda run: [
                a_record("LeNet5", TRAINING.model_copy(update={"keep_weights": True}),
                         kept_weights="../elsewhere.weights.h5")
            ],
            "the weights that the run kept are gone from its artifacts",
        ),
    ],
)  # fmt: skip
def test_says_what_a_run_lacks_and_what_to_do(tmp_path: Path, records: Any, words: str) -> None:
    (tmp_path / "elsewhere.weights.h5").write_bytes(b"not of this run")
    run = a_run(tmp_path / "run")
    a_run(run, *records(run))
    with pytest.raises(UserError) as error:
        asked(run)
    assert words in str(error.value)


def test_finds_the_weights_of_a_run_whose_records_do_not_name_them(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    setting = TRAINING.model_copy(update={"keep_weights": True})
    identity = registry.resolve("LeNet5").identity()
    key = job_key(identity, FLOAT32, "accuracy", setting.model_dump(mode="json"), PREPARE)[:16]
    (run / "artifacts" / key).mkdir()
    (run / "artifacts" / key / "seed-0.weights.h5").write_bytes(b"of an earlier version")
    a_run(run, a_record("LeNet5", setting))
    assert asked(run).setting.weights == str(run / "artifacts" / key / "seed-0.weights.h5")


def test_remarks_that_the_source_of_the_model_has_changed(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    record = kept(run, "LeNet5")
    a_run(run, Record(**{**vars(record), "key": "of another source"}))
    assert asked(run).origin["notes"] == ["the source of LeNet5 has changed since the run"]


def variants_of(run: Path, *made: str) -> list[Record]:
    """Return the records of the parts of the compression probe, whose results are in the run."""
    base = {"training": TRAINING, "classes": 10}
    train = CompressionSetting(part="train", **base)
    network = artifacts.claim(
        of_model(run, "LeNet5"), paths.float32_key("LeNet5", train), ["trained"]
    )
    (network / "network.json").write_text('{"weights": "trained here"}')
    records = [a_record("LeNet5", train)]
    for variant in made:
        count = 50 if variant == "ptq-int8" else 0
        setting = CompressionSetting(part="convert", variant=variant, representative=count, **base)
        key = paths.variant_key("LeNet5", setting)
        folder = artifacts.claim(of_model(run, "LeNet5"), key, [variant])
        (folder / "model.tflite").write_bytes(FLATBUFFER)
        (folder / "card.json").write_text(
            json.dumps({"variant": variant, "from": {"training": {}}})
        )
        records.append(a_record("LeNet5", setting))
    return records


def parts_run(run: Path, out: Path, variant: str, **given: Any) -> list[str]:
    """Export with an executor that does nothing but finish; return the parts that were run."""

    def answer(request: JobRequest) -> JobResult:
        folder = Path(request.artifacts).parent
        setting = CompressionSetting.model_validate(request.setting)
        if setting.part == "convert":
            key = paths.variant_key("LeNet5", setting)
            made = artifacts.claim(folder, key, [variant])
            (made / "card.json").write_text('{"variant": "ptq-int8", "from": {"training": {}}}')
        if setting.part == "finish":
            assert artifacts.find(folder, paths.float32_key("LeNet5", setting)) is not None
            (Path(request.artifacts) / "model.tflite").write_bytes(FLATBUFFER)
            made_of = {"sha256": "0", "metrics": {"file_bytes": 9}}
            (Path(request.artifacts) / "finished.json").write_text(json.dumps(made_of))
        return JobResult("ok")

    executor = FakeExecutor(answer)
    options = ExportOptions(str(run), variant, None, out, **given)
    card = export(options, executor=executor)
    assert card["from"]["training"]["dataset"] == "fashion_mnist"
    assert out.read_bytes() == FLATBUFFER
    return [request.setting["part"] for request in executor.requests]


def test_a_variant_that_the_run_has_made_is_taken_as_it_is(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    a_run(run, *variants_of(run, "float32", "ptq-int8"))
    out = tmp_path / "m.tflite"
    assert asked(run).setting.representative == 50, "as in the run"
    assert parts_run(run, out, "ptq-int8") == ["finish"]
    assert parts_run(run, out, "ptq-int8", representative=60) == ["convert", "finish"]
    assert parts_run(run, out, "ptq-dynamic") == ["convert", "finish"], "from the run's network"


def test_int8_ends_need_a_variant_that_computes_in_int8(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    a_run(run, *variants_of(run, "ptq-int8"))
    assert asked(run, int8_io=True).setting.int8_io
    with pytest.raises(UserError, match="--int8-io: ptq-dynamic computes in floating point"):
        asked(run, variant="ptq-dynamic", int8_io=True)


def test_a_folder_with_a_journal_is_a_run(tmp_path: Path) -> None:
    run = a_run(tmp_path / "suite" / "20260101T000000Z")
    (tmp_path / "other").mkdir()
    assert is_run(run) and is_run(run.parent)
    assert not is_run(tmp_path / "other") and not is_run(tmp_path / "nowhere")
    with pytest.raises(UserError, match="is not the folder of a run"):
        asked(tmp_path / "other", "LeNet5")
    options = ExportOptions(str(run), "float32", Path("w.weights.h5"), Path("m.tflite"))
    with pytest.raises(UserError, match="--weights: a run has its own weights"):
        planned(options)
