"""The stages probe: settings, pictures, estimates and the report's section."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnbench.data import photographs
from cnnbench.data.pictures import ArrayPictures
from cnnbench.models import registry
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.interface import Context
from cnnbench.probes.stages import pictures, summary, weights
from cnnbench.probes.stages.settings import STAGES, StagesSetting, StagesSpec
from cnnbench.probes.trained_network import Training
from cnnbench.record import Record
from cnnbench.report.sections import stages as section
from cnnbench.results.tables import measured
from cnnbench.statistics.measurement import OK
from tests.probes.tiny import Tiny
from tests.records import record

MODEL = registry.resolve("LeNet5", [])
TRAINED = StagesSpec(training=Training(dataset="digits", epochs=3), runtimes=["litert", "graph"])


def settings(spec: StagesSpec = TRAINED) -> list[StagesSetting]:
    return [one for one, _ in spec.cells(MODEL) if isinstance(one, StagesSetting)]


def test_weights_are_made_once_for_all_runtimes() -> None:
    found = settings()
    assert [(one.part, one.stage()) for one in found] == [("weights", 0), ("time", 1), ("time", 1)]
    assert [one.label() for one in found] == [
        "digits/scratch/3ep",
        "cpu/litert/b1/digits/scratch/3ep",
        "cpu/graph/b1/digits/scratch/3ep",
    ]
    assert [one.needs_prepare for one in found] == [False, True, True]
    rules = [rule for _, rule in TRAINED.cells(MODEL)]
    assert [(rule.at_least, rule.at_most) for rule in rules] == [(1, 1), (6, 12), (6, 12)]


def test_without_a_training_the_column_says_so() -> None:
    found = settings(StagesSpec())
    assert [one.label() for one in found] == [
        "untrained weights",
        "cpu/litert/b1/untrained weights",
    ]


def test_a_detector_can_have_nms_inside_the_file() -> None:
    detector = registry.resolve("BasicCNN+yolo", [])
    spec = StagesSpec(nms=[False, True])
    found = [one for one, _ in spec.cells(detector) if isinstance(one, StagesSetting)]
    assert [one.label() for one in found[1:]] == [
        "cpu/litert/b1/untrained weights",
        "cpu/litert/nms/b1/untrained weights",
    ]
    assert found[2].stages == ("preprocess", "finished", "end_to_end")
    assert len(settings(spec)) == 2  # of a classifier once
    (misfit,) = StagesSpec(nms=[True]).misfits([MODEL])
    assert misfit.key == ("nms",)


def test_refuses_runtimes_that_build_the_model_again() -> None:
    spec = StagesSpec(runtimes=["litert", "eager"])
    (misfit,) = spec.misfits([MODEL])
    assert misfit.key == ("runtimes", 1)
    assert "builds the untrained model again" in misfit.error.one_line()


def test_the_network_is_that_of_the_compression_probe(tmp_path: Path) -> None:
    context = Context(0, tmp_path / "cell", tmp_path)
    setting = settings()[1]
    from cnnbench.probes.compression import paths

    same = CompressionSetting(part="train", training=setting.training, classes=setting.classes)
    ours = weights.folder_of(MODEL, setting, context)
    assert ours == paths.float32_folder(MODEL, same, context)


def test_finds_the_weights_that_the_accuracy_probe_kept(tmp_path: Path) -> None:
    from cnnbench.probes.accuracy.settings import AccuracySpec
    from cnnbench.suite.plan import Cell

    context = Context(0, tmp_path / "cell", tmp_path)
    assert weights.kept(MODEL, settings()[0], context) is None
    spec = AccuracySpec(dataset="digits", epochs=3, keep_weights=True)
    (of_accuracy,) = spec.settings(MODEL)
    cell = Cell(MODEL, "float32", "accuracy", of_accuracy, spec.stopping_rule())
    file = tmp_path / cell.key / "seed-0.weights.h5"
    file.parent.mkdir()
    file.touch()
    assert weights.kept(MODEL, settings()[0], context) == file


def test_jpeg_files_are_read_as_predict_reads_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = np.asarray(Image.fromarray(rng.integers(0, 256, (6, 9, 3), np.uint8)).resize((90, 60)))
    content = photographs.jpeg(image, 95)
    enter = pictures.Entrance((20, 20, 3), "letterbox", lambda images: images / 255.0)
    found = enter(content)
    assert found.shape == (1, 20, 20, 3) and found.dtype == np.float32
    assert found[0, 0, 0] == pytest.approx(127 / 255)  # beside the picture
    (tmp_path / "a.jpg").write_bytes(content)
    expected, placement = photographs.placed(tmp_path / "a.jpg", (20, 20, 3), "letterbox")
    np.testing.assert_array_equal(found[0], expected.astype(np.float32) / np.float32(255))
    assert placement.picture == (60, 90)


def test_pictures_keep_their_original_sizes(tmp_path: Path) -> None:
    arrays = ArrayPictures(np.zeros((3, 8, 10, 1), np.uint8), np.arange(3))
    assert arrays.sizes(np.array([0, 2])).tolist() == [[8, 10], [8, 10]]
    Image.new("L", (30, 20)).save(tmp_path / "a.jpg")
    files = photographs.Photographs([tmp_path / "a.jpg"], np.zeros(1, np.int64))
    assert files.sizes(np.array([0])).tolist() == [[20, 30]]


def test_random_pictures_where_there_is_no_data_set(tmp_path: Path) -> None:
    context = Context(0, tmp_path, tmp_path)
    pictures.write(Tiny(), None, (16, 24, 1), 3, context, tmp_path)
    contents = pictures.read(tmp_path)
    assert len(contents) == 3 and len(set(contents)) == 3
    enter = pictures.entrance(Tiny(), None, (16, 24, 1), "crop")
    assert enter(contents[0]).shape == (1, 16, 24, 1)


def test_pictures_of_a_data_set_are_read_one_by_one(tmp_path: Path) -> None:
    training = settings()[0].training
    assert training is not None
    found = pictures._of_dataset(MODEL, training, 3, Context(0, tmp_path, tmp_path))
    assert iter(found) is found
    assert [one.shape[2] for one in found] == [1] * 3


def rounds(nms: bool = False, **stages: float) -> list[Record]:
    """Return six rounds in which every call of a stage takes so many seconds, as well as 1 %."""
    found = []
    setting = settings()[1].model_copy(update={"nms": nms}).model_dump(mode="json")
    for repeat in range(6):
        scale = 1 + 0.002 * repeat
        metrics, samples, details = {}, {}, {}
        for stage, seconds in stages.items():
            calls = [seconds * scale] * 100
            samples[f"{stage}_s"] = calls
            metrics |= {
                f"{stage}_{name}": calls[0] for name in ("location_s", "mean_s", "p50_s", "p90_s")
            }
            details[stage] = {"flags": [], "disturbances": [], "is_disturbed": False}
        found.append(
            record("A", "stages", repeat, samples=samples, details=details, setting=setting,
                   **metrics)
        )  # fmt: skip
    return found


TIMES = dict(zip(STAGES, (0.001, 0.01, 0.002, 0.0131), strict=True))


def test_every_stage_is_estimated_like_a_latency() -> None:
    found = summary.summarise(rounds(**TIMES), OK)
    for stage, seconds in list(TIMES.items())[:-1]:
        assert found[f"{stage}_s"].value == pytest.approx(seconds, rel=0.02)
        assert found[f"{stage}_s"].low is not None
    assert found["end_to_end_p50_s"].value == pytest.approx(0.0131, rel=0.02)
    assert found["end_to_end_p90_s"].value is not None
    assert summary.are_precise(rounds(**TIMES), 0.05)
    assert not any(name.startswith("latency") for name in found)


def test_a_flag_of_one_stage_is_a_doubt_about_that_stage() -> None:
    flagged = rounds(**TIMES)
    for one in flagged:
        one.details["postprocess"]["flags"].append("untrained weights: not representative")
    found = summary.summarise(flagged, OK)
    assert found["postprocess_s"].is_doubtful and not found["network_s"].is_doubtful


def made(**details: Any) -> Record:
    setting = settings()[0].model_dump(mode="json")
    facts = {"task": "classification", "weights": "trained here", "pictures": "32 JPEG files"}
    return record("A", "stages", setting=setting, details=facts | details, train_s=3.0)


def test_the_section_shows_the_stages_side_by_side_with_the_quality() -> None:
    report = measured([made(quality="91.0 %"), *rounds(**TIMES)])
    shown = section.section(report)
    assert shown is not None
    (block,) = shown.blocks
    assert block.title == "cpu/litert/b1/digits/scratch/3ep"
    assert block.heads == (
        "Model", "Top-1", "JPEG → input", "network", "decode", "JPEG → classes"
    )  # fmt: skip
    (line,) = block.rows
    assert line[:2] == ("A", "91.0 %")
    assert [cell.split()[1] for cell in line[2:]] == ["ms"] * 4
    assert shown.notes == ("A: 32 JPEG files",)
    assert "side by side" not in shown.as_text() and "JPEG → input" in shown.as_markdown()


def test_a_detector_has_heads_of_its_own() -> None:
    report = measured([made(task="detection", quality="0.41"), *rounds(**TIMES)])
    shown = section.section(report)
    assert shown is not None
    assert shown.blocks[0].heads[-2:] == ("decode + NMS", "JPEG → boxes")


def test_nms_inside_the_file_has_a_table_of_its_own() -> None:
    inside = rounds(nms=True, preprocess=0.001, finished=0.011, end_to_end=0.0122)
    found = summary.summarise(inside, OK)
    assert found["finished_s"].value == pytest.approx(0.011, rel=0.02)
    assert "network_s" not in found and "postprocess_s" not in found
    shown = section.section(measured([made(task="detection"), *rounds(**TIMES), *inside]))
    assert shown is not None
    first, second = shown.blocks
    assert first.title.startswith("cpu/litert/b1/") and len(first.heads) == 6
    assert second.title.startswith("cpu/litert/nms/b1/")
    assert second.heads[2:] == (
        "JPEG → input", "network with decode + NMS in the file", "JPEG → boxes"
    )  # fmt: skip


def test_the_quality_of_the_same_training_is_taken_where_the_weights_have_none() -> None:
    setting = {"dataset": "digits", "epochs": 3, "image_size": 32}
    label = settings()[0].label()
    trained = record("A", "accuracy", setting=setting, top1=0.5)
    report = measured([made(), *rounds(**TIMES), trained])
    (column,) = (name for name in report.numbers if name.startswith("top1@"))
    shown = section.section(report)
    assert shown is not None
    expected = "50.0 %" if column.partition("@")[2] == label else ""
    assert shown.blocks[0].rows[0][1].startswith(expected)


def test_no_section_without_stages() -> None:
    assert section.section(measured([record("A", "static", params=3)])) is None


def test_rejects_details_that_are_not_those_of_a_stage() -> None:
    assert summary.is_stage({"flags": ["drifting"]}) and summary.is_stage({})
    assert not summary.is_stage({"flags": [1]}) and not summary.is_stage([])


SUITE = """
name: stages
models: ["LeNet5"]
probes:
  stages: {training: {dataset: digits, epochs: 1, train_examples: 300}, runtimes: [litert, graph],
           pictures: 4, threads: [1], min_rounds: 1, max_rounds: 1}
"""


@pytest.mark.slow
def test_a_classifier_end_to_end(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SUITE)
    command = [sys.executable, "-m", "cnnbench", "run", "s.yaml", "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (journal,) = (tmp_path / "out").glob("stages/*/records.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    timed = [one for one in lines if one.get("repeat") == 0 and "network_p50_s" in one["metrics"]]
    assert len(timed) == 2
    for one in timed:
        found = one["metrics"]
        assert found["output_max_abs_diff"] < 1e-4
        parts = sum(found[f"{stage}_location_s"] for stage in STAGES[:-1])
        assert found["end_to_end_location_s"] > 0.5 * parts
    assert "JPEG → classes" in done.stdout
