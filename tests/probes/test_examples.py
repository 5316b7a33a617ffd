"""Example pictures that the accuracy probe keeps: which, how large, and with which marks."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnbench.data.drawing import COLOURS, AnyMark, Mark, MaskMark
from cnnbench.probes.accuracy import examples
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.examples import MOST_BYTES, Evaluated, encoded, kept, places
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.tasks.classification.objective import ClassificationObjective
from tests.probes import small_locators
from tests.probes.small_detectors import NAME, setting

RANDOM = np.random.default_rng(0)


class Marking(ClassificationObjective):
    """Marks one box of the truth, and one of the answers."""

    def example_marks(self, answers: Any, targets: Any, encoding: str) -> Any:
        return [
            ([Mark("", 0, target)], [Mark("", 2, answer)])
            for target, answer in zip(targets["boxes"].tolist(), answers.tolist(), strict=True)
        ]


class Failing(ClassificationObjective):
    def example_marks(self, answers: Any, targets: Any, encoding: str) -> Any:
        raise RuntimeError("no marks")


def evaluated(count: int = 10) -> Evaluated:
    boxes = np.tile([0.25, 0.25, 0.75, 0.75], (count, 1))
    rows = places(count)
    images = np.full((len(rows), 40, 40, 1), 60, np.uint8)
    return Evaluated(rows, list(images), boxes / 2, {"boxes": boxes})


def context(folder: Path, messages: list[str] | None = None) -> Context:
    said = messages if messages is not None else []
    return Context(1, folder / "artifacts" / "key", folder / "scratch", report_progress=said.append)


def test_the_images_are_evenly_spaced_and_the_same_for_all() -> None:
    assert places(600) == [0, 100, 200, 300, 400, 500]
    assert places(7) == [0, 1, 2, 3, 4, 5]
    assert places(2) == [0, 1]
    assert places(0) == []


def test_pictures_are_files_of_the_run_that_the_record_names(tmp_path: Path) -> None:
    listed = kept(evaluated(), Marking(("a",), "x"), "", context(tmp_path))["examples"]
    assert [one["image"] for one in listed] == places(10)
    for one in listed:
        content = (tmp_path / one["file"]).read_bytes()
        assert one["file"] == f"artifacts/key/examples/seed-1-image-{one['image']}.png"
        assert one["sha256"] == sha256(content).hexdigest()


def test_truth_and_prediction_stand_beside_the_picture(tmp_path: Path) -> None:
    listed = kept(evaluated(), Marking(("a",), "x"), "", context(tmp_path))["examples"]
    with Image.open(tmp_path / listed[0]["file"]) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    thirds = np.array_split(pixels, 3, axis=1)
    near = [
        [bool((np.abs(third - COLOURS[number]).sum(axis=-1) < 12).any()) for number in (0, 2)]
        for third in thirds
    ]
    assert near == [[False, False], [True, False], [False, True]]


def test_a_task_that_draws_nothing_keeps_nothing(tmp_path: Path) -> None:
    assert kept(evaluated(), ClassificationObjective(("a",), "x"), "", context(tmp_path)) == {}
    assert not (tmp_path / "artifacts").exists()


def test_a_drawing_that_fails_is_said_and_does_not_fail_the_job(tmp_path: Path) -> None:
    said: list[str] = []
    assert kept(evaluated(), Failing(("a",), "x"), "", context(tmp_path, said)) == {}
    assert said == ["no example pictures: no marks"]


@pytest.mark.parametrize("shape", [(112, 112, 1), (520, 700, 3), (28, 28, 3), (1000, 30, 3)])
def test_files_stay_small_even_of_noise(shape: tuple[int, ...]) -> None:
    image = RANDOM.integers(0, 256, shape, np.uint8)
    masks = [np.zeros(shape[:2], bool) for _ in range(4)]
    marks: list[AnyMark] = []
    for number, mask in enumerate(masks):
        mask[number * 5 : number * 5 + 20] = True
        marks.append(MaskMark(mask, f"class {number}", number))
    content = encoded(image, marks, marks[::-1])
    assert len(content) <= MOST_BYTES
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "PNG"
        assert max(picture.size) > 200


def test_small_images_are_enlarged_by_whole_pixels() -> None:
    image = np.zeros((28, 28, 1), np.uint8)
    image[::2] = 255
    with Image.open(io.BytesIO(encoded(image, [], []))) as picture:
        panel = np.asarray(picture.convert("L"))[6 : 6 + 224, 6 : 6 + 224]
    assert np.array_equal(panel, np.asarray(image[..., 0]).repeat(8, axis=0).repeat(8, axis=1))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[ProbeResult, Path]:
    folder = tmp_path_factory.mktemp("examples")
    model = small_locators.resolve(NAME, folder)
    artifacts = folder / "artifacts" / "key"
    job = Context(0, artifacts, folder / "scratch", search_path=(folder,), cache=folder / "cache")
    job.scratch.mkdir()
    return accuracy.run(model, setting(epochs=1, train_examples=64), job), folder


def test_a_trained_detector_leaves_pictures_of_its_test_images(
    trained: tuple[ProbeResult, Path],
) -> None:
    result, folder = trained
    listed = result.details["examples"]
    assert [one["image"] for one in listed] == places(100)
    assert len(listed) == examples.COUNT
    for one in listed:
        with Image.open(folder / one["file"]) as picture:
            assert picture.width > 3 * 224
