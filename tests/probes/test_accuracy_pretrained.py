"""Recipe ``pretrained``: nothing is trained, and every image of the folder is judged once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from cnnbench.data import pipeline
from cnnbench.errors import JobFailed, UserError
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.settings import AccuracySetting, AccuracySpec
from cnnbench.probes.accuracy.training import pretrained
from cnnbench.probes.interface import Context
from cnnbench.results import tables
from cnnbench.tasks.classification import class_names
from tests.probes.small import SmallNet
from tests.records import Book
from tests.suite.fake import FakeModel


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
    assert pipeline.at_once((600, 600), setting().evaluated_at_once) == 8
    assert (round(224 / pretrained._CROP) - 224) // 2 == 16


def test_imagenet_s_weights_want_imagenet_s_classes(place: Path) -> None:
    with pytest.raises(JobFailed, match="'folder:photos/class0' is not a class of ImageNet"):
        accuracy.run(SmallNet(channels=3), setting(), context(place))


def test_a_folder_of_other_classes_is_refused(place: Path) -> None:
    net = SmallNet(channels=3)
    net.classes = 1000
    with pytest.raises(JobFailed, match="10 usable classes, the network has 1000"):
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
        ({"dataset": "digits"}, "needs a folder of images"),
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


def greys(folder: Path, names: list[str]) -> None:
    """A picture a class: of class k it is grey, of level 20 k."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (12, 12), (20 * number,) * 3).save(folder / name / "0.png")


class Levels(SmallNet):
    """Says which of twelve levels a picture has: right about every picture of `greys`."""

    label = "Levels"

    def __init__(self, classes: int = 12) -> None:
        super().__init__(channels=3)
        self.classes = classes

    def build(self, **_: Any) -> Any:
        import tensorflow as tf

        layers = tf.keras.layers
        model = tf.keras.Sequential(
            [
                layers.Input((8, 8, 3)),
                layers.GlobalAveragePooling2D(),
                layers.Dense(self.classes, "softmax"),
            ]
        )
        # The nearest of the levels l: the largest of 2 l x - l², for x the mean of the channels.
        levels = 20 * np.arange(12) / 255
        kernel, bias = np.zeros((3, self.classes)), np.full(self.classes, -1000.0)
        kernel[:, :12], bias[:12] = 1000 * 2 * levels / 3, -1000 * levels**2
        model.set_weights([kernel, bias])
        return model

    def preprocess(self, images: Any) -> Any:
        return images / 255


def judged(folder: Path, subject: SmallNet, **wording: Any) -> Any:
    (folder / "net.weights.h5").touch()
    (wanted,) = spec(weights="net.weights.h5", **wording).settings(subject)
    return accuracy.run(subject, wanted, context(folder))


def test_classes_named_by_numbers_are_outputs_in_numeric_order(tmp_path: Path) -> None:
    greys(tmp_path / "photos", [str(number) for number in range(12)])
    found = judged(tmp_path, Levels())
    assert found.metrics["top1"] == 1.0
    assert found.details["notes"][0] == "classes in numerical order, 0 to 11"
    assert "order of the subfolders, 0 to 11" in found.details["notes"][1]


def test_where_the_order_as_text_fits_better_it_is_said(tmp_path: Path) -> None:
    # The folders of a network that Keras trained: its third output is of the folder 10.
    greys(tmp_path / "photos", sorted(str(number) for number in range(12)))
    found = judged(tmp_path, Levels())
    # 0 and 1 stand where they stood; 10, 11 and 2 to 9 do not.
    assert found.metrics["top1"] == pytest.approx(2 / 12)
    assert found.details["notes"][-1] == (
        "with the subfolders sorted as text, as Keras numbers them, top-1 would be 100.0 % instead "
        "of 16.7 %"
    )
    (tmp_path / "names.txt").write_text("\n".join(sorted(str(n) for n in range(12))))
    named = judged(tmp_path, Levels(), class_names="names.txt")
    assert named.metrics["top1"] == 1.0
    assert named.details["notes"] == ["classes in numerical order, 0 to 11"]


def test_a_list_of_class_names_finds_the_outputs_of_some_of_the_classes(tmp_path: Path) -> None:
    names = [f"bird {chr(ord('l') - n)}" for n in range(12)]
    greys(tmp_path / "photos", names)
    for name in names[5:]:
        (tmp_path / "photos" / name / "0.png").unlink()
        (tmp_path / "photos" / name).rmdir()
    (tmp_path / "names.txt").write_text("\n".join(names))
    found = judged(tmp_path, Levels(), class_names="names.txt")
    assert (found.metrics["top1"], found.details["n_test"]) == (1.0, 5)
    (tmp_path / "names.txt").write_text("\n".join([*names[:-1], "bird x"]).replace("l", "k2"))
    with pytest.raises(JobFailed, match=r"'folder:photos/bird l' is not a class of 'names.txt'"):
        judged(tmp_path, Levels(), class_names="names.txt")


def test_the_file_of_class_names_is_part_of_what_was_planned(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a\nb\n")
    located = spec(class_names="names.txt").located([tmp_path], None)
    (tmp_path / "names.txt").write_text("b\na\n")
    assert located.class_names_sha256
    assert (
        located.class_names_sha256
        != spec(class_names="names.txt").located([tmp_path], None).class_names_sha256
    )
    with pytest.raises(ValueError, match="class_names: only with recipe: pretrained"):
        AccuracySpec.model_validate({"dataset": "digits", "class_names": "names.txt"})


def test_wordnet_ids_are_imagenet_s_classes_some_or_all(tmp_path: Path) -> None:
    ids = class_names.imagenet_ids()
    assert (len(ids), ids[0], ids[217], ids[999]) == (
        *(1000, "n01440764", "n02102040", "n15075141"),
    )
    greys(tmp_path / "photos", ["n01440764", "n01443537", "n01484850"])
    found = judged(tmp_path, Levels(classes=1000))
    assert found.metrics["top1"] == 1.0
    (tmp_path / "photos" / "n01440764").rename(tmp_path / "photos" / "n02102040")
    assert judged(tmp_path, Levels(classes=1000)).metrics["top1"] == pytest.approx(2 / 3)
    (tmp_path / "photos" / "n01443537").rename(tmp_path / "photos" / "tench")
    with pytest.raises(JobFailed, match="3 usable classes, the network has 1000"):
        judged(tmp_path, Levels(classes=1000))


def test_of_a_folder_with_splits_only_the_test_is_judged(tmp_path: Path) -> None:
    names = [f"{number:02}" for number in range(12)]
    greys(tmp_path / "photos" / "val", names)
    (tmp_path / "photos" / "train" / "00").mkdir(parents=True)
    (tmp_path / "photos" / "train" / "00" / "1.png").write_text("no picture, and not looked at")
    found = judged(tmp_path, Levels())
    assert (found.metrics["top1"], found.details["n_test"]) == (1.0, 12)
    assert found.details["problems"] == []
    assert "trained on train/, tested on val/" in found.details["notes"]
