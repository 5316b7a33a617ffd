"""Networks for instance segmentation in every runtime, raw and with NMS inside, against Keras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cnnbench.probes.compression import conversion, outputs
from cnnbench.probes.compression.variants import parse
from cnnbench.probes.latency import inside
from cnnbench.tasks.instance_segmentation import INSTANCE_SEGMENTATION, InstanceOptions
from cnnbench.tasks.instance_segmentation.objective import InstanceObjective
from tests.probes.paths import require
from tests.probes.small_masks import HEADS, SHAPE, network
from tests.probes.test_detector_runtimes import answered

OPTIONS = InstanceOptions(score_threshold=0.01, max_detections=20)


def check_outputs(detector: str, runtime: str, count: int, folder: Path) -> None:
    found, expected = answered(network(detector), runtime, count, folder)
    compare = inside.comparison(INSTANCE_SEGMENTATION, is_finished=False)
    apart, scale = compare(found, expected)
    assert apart <= 1e-4 * scale


def check_answers(detector: str, runtime: str, count: int, folder: Path) -> None:
    whole = INSTANCE_SEGMENTATION.finished(network(detector), OPTIONS)
    found, expected = answered(whole, runtime, count, folder)
    sizes = [(20, 4), (20,), (20, 12, 12), (20,)]
    assert [one.shape for one in expected] == [(count, *size) for size in sizes]
    assert (expected[1] >= 0).any()
    assert 0 <= expected[2].min() < 0.5 < expected[2].max() <= 1, "masks are probabilities"
    apart, scale = INSTANCE_SEGMENTATION.finished_difference(found, expected)
    assert apart <= 1e-4 * scale


def test_outputs_of_a_litert_file_are_those_of_keras(tmp_path: Path) -> None:
    check_outputs("yolo", "litert", 1, tmp_path)


@pytest.mark.slow
def test_answers_of_a_litert_file_are_those_of_keras(tmp_path: Path) -> None:
    check_answers("yolo", "litert", 1, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["graph", "litert", "onnxruntime", "openvino"])
@pytest.mark.parametrize("detector", HEADS)
@pytest.mark.parametrize("count", [1, 3])
def test_every_runtime_gives_what_keras_gives(
    detector: str, runtime: str, count: int, tmp_path: Path
) -> None:
    require(runtime)
    check_outputs(detector, runtime, count, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["graph", "litert", "onnxruntime", "openvino"])
@pytest.mark.parametrize("detector", HEADS)
def test_answers_with_nms_inside_are_those_of_keras(
    detector: str, runtime: str, tmp_path: Path
) -> None:
    require(runtime)
    check_answers(detector, runtime, 1, tmp_path)


def test_an_int8_file_looks_at_most_of_the_objects_of_keras(tmp_path: Path) -> None:
    """With random weights scores are close to one another, and int8 has 256 of them."""
    made = network("yolo")
    images = np.random.default_rng(4).uniform(size=(8, *SHAPE)).astype(np.float32)
    file = tmp_path / "net.tflite"
    content = conversion.convert(
        made, (1, *SHAPE), parse("ptq-int8"), lambda: ([one[None]] for one in images)
    )
    file.write_bytes(content)
    found = outputs.structured(made, conversion.File(file)(images))
    expected = {name: np.asarray(one) for name, one in made(images, training=False).items()}
    assert {name: one.shape for name, one in found.items()} == {
        name: one.shape for name, one in expected.items()
    }
    rows, wanted = found["proposals"], expected["proposals"]
    assert rows.dtype.kind == "i" and 0 <= rows.min() <= rows.max() < 32
    assert all(len(np.unique(of_image)) == 12 for of_image in rows), "no box is chosen twice"
    same = rows[:, :, None] == wanted[:, None]
    assert same.any(axis=2).mean() > 0.5
    image, ours, theirs = np.nonzero(same)
    apart = found["masks"][image, ours] - expected["masks"][image, theirs]
    assert np.abs(apart).mean() <= 0.1 * np.ptp(expected["masks"])
    objective = InstanceObjective(("a", "b", "c"), "", OPTIONS)
    answers = objective.answers(found, objective.encoding(made))
    assert (answers["labels"] >= 0).any(), "boxes are decoded outside the file"


def test_objects_that_two_runtimes_order_differently_are_compared_with_one_another() -> None:
    random = np.random.default_rng(0)
    cells = random.normal(size=(2, 4, 4, 13)).astype(np.float32)
    masks = random.normal(size=(2, 6, 4, 4, 1)).astype(np.float32)
    rows = np.stack([random.permutation(32)[:6] for _ in range(2)]).astype(np.int32)
    expected = [cells, masks, rows]
    order = [1, 0, 2, 4, 3, 5]
    swapped = [cells, masks[:, order].copy(), rows[:, order].copy()]
    compare = inside.comparison(INSTANCE_SEGMENTATION, is_finished=False)
    assert compare(swapped, expected)[0] == 0
    swapped[2][:, 5] = 33  # one that only this runtime chose
    assert compare(swapped, expected)[0] == 0
    swapped[1][0, 2] += 1.0
    assert compare(swapped, expected)[0] == pytest.approx(1.0)
    others = [cells, masks, rows + 40]
    assert compare(others, expected)[0] >= 40, "most objects must be the same"


def test_outputs_without_masks_are_compared_as_they_are() -> None:
    """A network of the user's can return anything."""
    compare = inside.comparison(INSTANCE_SEGMENTATION, is_finished=False)
    maps = np.ones((1, 2, 2, 8), np.float32)
    assert compare([maps + 1], [maps])[0] == 1
    several = [maps, maps, np.ones(3, np.float32)]
    assert compare(several, several)[0] == 0
