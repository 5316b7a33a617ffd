"""The stages probe: settings, pictures, estimates and the report's section."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnbench.data import photographs
from cnnbench.data.pictures import ArrayPictures
from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.interface import Context
from cnnbench.probes.latency import timed_calls
from cnnbench.probes.stages import pictures, weights
from cnnbench.probes.stages.pipeline import Pipeline
from cnnbench.probes.stages.settings import COPIES, STAGES, StagesSetting, StagesSpec
from cnnbench.probes.trained_network import Training
from tests.probes.test_latency_timing import QUICK, Clock
from tests.probes.tiny import Tiny

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


def test_settings_of_earlier_journals_are_unchanged() -> None:
    then = StagesSetting(part="time", runtime="litert").model_dump(mode="json")
    assert not {"in_sequence", "copies", "tail", "image_size"} & set(then)
    now = settings(StagesSpec())[1].model_dump(mode="json")
    assert now == then | {"in_sequence": True}


def test_several_input_sizes_of_a_model_that_sets_none() -> None:
    spec = StagesSpec(image_sizes=[32, 48])
    found = settings(spec)
    assert [one.input_and_classes(MODEL) for one in found] == [
        ((32, 32, 1), 10),
        ((32, 32, 1), 10),
        ((48, 48, 1), 10),
        ((48, 48, 1), 10),
    ]
    assert [one.label() for one in found[::2]] == ["untrained weights"] * 2
    stated = registry.resolve("LeNet5[input_shape=40x40x1]", [])
    own = [one for one, _ in spec.cells(stated) if isinstance(one, StagesSetting)]
    assert [one.input_and_classes(stated)[0] for one in own] == [(40, 40, 1)] * 2
    assert list(spec.notes([MODEL, stated])) == [
        "image_sizes: 32, 48 applies to LeNet5; LeNet5[input_shape=40x40x1] keeps its own input, "
        "40x40x1"
    ]


def test_networks_of_several_sizes_are_trained_apart(tmp_path: Path) -> None:
    training = Training(dataset="digits", epochs=3)
    found = settings(StagesSpec(training=training, image_sizes=[32, 48]))
    assert [one.label() for one in found[1::2]] == [
        "cpu/litert/b1/digits/scratch/32px/3ep",
        "cpu/litert/b1/digits/scratch/48px/3ep",
    ]
    with pytest.raises(ValueError, match="exclude each other"):
        StagesSpec(training=Training(dataset="digits", image_size=32), image_sizes=[32])
    context = Context(0, tmp_path / "cell", tmp_path)
    sizes = settings(StagesSpec(image_sizes=[32, 48]))[::2]
    assert len({weights.folder_of(MODEL, one, context) for one in sizes}) == 2
    assert len({weights.pictures_of(MODEL, one, context) for one in sizes}) == 2
    assert [weights.sized(MODEL, one).input_shape for one in sizes] == [(32, 32, 1), (48, 48, 1)]


def test_refuses_a_size_that_the_model_cannot_have() -> None:
    with pytest.raises(UserError, match="image_sizes has 16, but it takes at least 32 px"):
        list(StagesSpec(image_sizes=[16]).cells(registry.resolve("MobileNetV2", [])))


def test_copies_are_told_apart_on_request() -> None:
    found = settings(StagesSpec(copies=True))[1]
    assert found.stages == ("preprocess", *COPIES, "network", "postprocess", "end_to_end")
    assert found.summed == STAGES[:-1]
    assert "copy_in_s" in found.metrics() and "copy_in_s" not in settings(StagesSpec())[1].metrics()


def test_the_tail_needs_six_rounds() -> None:
    spec = StagesSpec(tail="p99.9")
    assert "end_to_end_p999_s" in settings(spec)[1].metrics()
    assert "end_to_end_p999_s" not in settings(StagesSpec())[1].metrics()
    with pytest.raises(ValueError, match=r"p99.9 needs 6,636 calls, which 6 rounds have"):
        StagesSpec(tail="p99.9", min_rounds=3)


def test_the_stages_of_a_call_add_up_to_it() -> None:
    clock = Clock()

    def takes(seconds: float, result: str) -> Any:
        def stage(given: str) -> str:
            clock.takes(seconds)
            return given + result

        return stage

    stages = {"decode": takes(0.002, "d"), "in": takes(0.001, "i"), "run": takes(0.004, "r")}
    pipeline = Pipeline(stages, {"network": ("in", "run")}, clock)
    assert [pipeline(str(number)) for number in range(3)] == ["0dir", "1dir", "2dir"]
    found = pipeline.seconds(2)
    # The clock goes on by a microsecond whenever it is looked at.
    expected = {"decode": 0.002, "in": 0.001, "run": 0.004, "network": 0.005}
    assert {name: len(of) for name, of in found.items()} == dict.fromkeys(expected, 2)
    for name, seconds in expected.items():
        assert found[name] == pytest.approx([seconds] * 2, abs=3e-6)
    assert pipeline.seconds(2)["decode"] == []


def test_typical_calls_are_those_in_the_middle() -> None:
    assert timed_calls.typical([5.0, 1.0, 4.0, 2.0, 3.0]) == [2, 3, 4]
    # Of fifteen, from the shortest: the seventh, eighth and ninth.
    assert timed_calls.typical([float(x) for x in range(15)]) == [6, 7, 8]
    assert timed_calls.typical([2.0, 1.0]) == [0, 1]


def test_parts_are_those_of_the_counted_calls() -> None:
    """Neither the warm-up nor the calls after a pause count; every part has a value a call."""
    pipeline = Pipeline({"half": lambda x: x + 1, "rest": lambda x: x * 2}, {})
    whole, parts = timed_calls.timed_parts(pipeline, pipeline.seconds, [1, 2], 1, QUICK)
    assert list(parts) == ["half", "rest"]
    calls = whole.details["calls"]
    assert all(len(one.samples["latency_s"]) == min(calls, 1000) for one in parts.values())
    assert set(parts["half"].details) == {"flags", "disturbances", "is_disturbed"}
    assert all("latency_typical_s" in one.metrics for one in parts.values())
    assert "waited_s" in whole.metrics and "waited_s" not in parts["half"].metrics


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
