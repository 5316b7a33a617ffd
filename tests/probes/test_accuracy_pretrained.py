"""Recipe ``pretrained``: nothing is trained, and every image of the folder is judged once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from cnnbench.core.errors import JobFailed, UserError
from cnnbench.core.settings.accuracy import AccuracySetting, AccuracySpec
from cnnbench.core.subject import Context
from cnnbench.probes import accuracy
from cnnbench.probes.training import pretrained
from cnnbench.store import tables
from tests.core.fake import FakeModel
from tests.probes.small import SmallNet
from tests.report.made import Book


def spec(**wording: Any) -> AccuracySpec:
    document = {"dataset": "folder:photos", "recipe": "pretrained", **wording}
    return AccuracySpec.model_validate(document)


def setting(**wording: Any) -> AccuracySetting:
    (found,) = spec(**wording).settings(SmallNet(channels=3))
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten classes of six noisy pictures, and weights that tell them apart or not."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("place")
    random = np.random.default_rng(0)
    for label in range(10):
        (folder / "photos" / f"class{label}").mkdir(parents=True)
        for number in range(6):
            pixels = random.integers(0, 256, (12, 16, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / f"class{label}" / f"{number}.png")
    tf.keras.utils.set_random_seed(1)
    SmallNet(channels=3).build().save_weights(str(folder / "net.weights.h5"))
    return folder


def context(place: Path) -> Context:
    return Context(repeat=0, artifacts=place, scratch=place, search_path=(place,))


def test_every_image_is_judged_as_the_network_would(place: Path) -> None:
    found = accuracy.run(SmallNet(channels=3), setting(weights="net.weights.h5"), context(place))
    net = SmallNet(channels=3)
    model = net.build(weights=place / "net.weights.h5")
    right = 0
    for label in range(10):
        for number in range(6):
            picture = Image.open(place / "photos" / f"class{label}" / f"{number}.png")
            # 8 / 0.875 = 9 px of the centred square, the first eight of them.
            square = picture.crop((2, 0, 14, 12)).resize((9, 9), Image.Resampling.BILINEAR)
            image = np.asarray(square, np.float32)[None, :8, :8]
            right += int(np.argmax(model.predict_on_batch(net.preprocess(image))) == label)
    assert found.details["n_test"] == 60
    assert found.metrics["top1"] == pytest.approx(right / 60, abs=1e-9)
    assert found.metrics["top5"] >= found.metrics["top1"]
    assert "train_s" not in found.metrics


def test_a_part_of_the_images_has_every_class_in_its_share(place: Path) -> None:
    wanted = setting(weights="net.weights.h5", test_examples=20)
    found = accuracy.run(SmallNet(channels=3), wanted, context(place))
    assert found.details["n_test"] == 20


def test_a_class_needs_no_more_than_one_picture(tmp_path: Path, place: Path) -> None:
    for label in range(10):
        one = tmp_path / "photos" / f"class{label}" / "0.png"
        one.parent.mkdir(parents=True)
        one.write_bytes((place / "photos" / f"class{label}" / "0.png").read_bytes())
    weights = (place / "net.weights.h5").read_bytes()
    (tmp_path / "net.weights.h5").write_bytes(weights)
    found = accuracy.run(SmallNet(channels=3), setting(weights="net.weights.h5"), context(tmp_path))
    assert found.details["n_test"] == 10


def test_large_images_come_in_smaller_batches_with_their_middle() -> None:
    assert pretrained._PIXELS // 600**2 == 8
    assert (round(224 / pretrained._CROP) - 224) // 2 == 16


def test_imagenet_s_weights_want_imagenet_s_classes(place: Path) -> None:
    with pytest.raises(JobFailed, match="'folder:photos/class0' is no class of ImageNet"):
        accuracy.run(SmallNet(channels=3), setting(), context(place))


def test_a_folder_of_other_classes_is_refused(place: Path) -> None:
    net = SmallNet(channels=3)
    net.classes = 1000
    with pytest.raises(JobFailed, match="10 classes that can be used, and the network tells 1000"):
        accuracy.run(net, setting(weights="net.weights.h5"), context(place))


def test_there_is_one_repeat_and_the_network_s_own_size() -> None:
    assert spec(seeds=3).stopping_rule().at_most == 1
    assert setting().image_size == 8
    assert setting().label() == "photos/pretrained"
    with pytest.raises(UserError, match="at its own input"):
        setting(image_size=32)


@pytest.mark.parametrize("shape", [(8, 16, 3), ()], ids=["oblong", "known once built"])
def test_an_input_that_is_not_one_known_side_is_its_own(shape: tuple[int, ...]) -> None:
    model = FakeModel("Net", "Net", input_shape=shape)
    (found,) = spec().settings(model)
    assert found.image_size == "own"
    assert found.label() == "photos/pretrained"
    assert found.images_for((8, 16, 3)) == (8, 16, 3)


def test_an_oblong_network_sees_the_middle_of_the_scaled_picture(place: Path) -> None:
    net = SmallNet(channels=3)
    net.input_shape = (8, 16, 3)
    (oblong,) = spec(weights="net.weights.h5").settings(net)
    found = accuracy.run(net, oblong, context(place))
    model = net.build(weights=place / "net.weights.h5")
    right = 0
    for label in range(10):
        for number in range(6):
            picture = Image.open(place / "photos" / f"class{label}" / f"{number}.png")
            # 8 / 0.875 and 16 / 0.875, rounded; then what is over is cut off evenly.
            scaled = ImageOps.fit(picture, (18, 9), Image.Resampling.BILINEAR)
            image = np.asarray(scaled, np.float32)[None, 0:8, 1:17]
            right += int(np.argmax(model(net.preprocess(image), training=False))) == label
    assert found.details["n_correct"] == right


@pytest.mark.parametrize(
    ("wording", "complaint"),
    [
        ({"epochs": 9}, "epochs: recipe: pretrained trains nothing"),
        ({"dataset": "digits"}, "judged on a folder of images"),
    ],
)
def test_what_makes_no_sense_is_refused(wording: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        spec(**wording)


def test_its_accuracy_is_not_doubted_for_want_of_seeds() -> None:
    book = Book()
    details = {"n_test": 50_000, "chance": 0.001}
    book.record("A", setting(), 0, {"top1": 0.713}, details=details)
    row = tables.report(book.records).iloc[0]
    assert row["top1_verdict@photos/pretrained"] == "stable"
    # Wilson: 1.96 * sqrt(0.713 * 0.287 / 50,000) = 0.004.
    assert row["top1_ci_high@photos/pretrained"] - 0.713 == pytest.approx(0.004, abs=2e-4)
