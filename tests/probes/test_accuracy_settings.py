"""Accuracy settings: defaults, checks, and labels of columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cnnbench.errors import UserError
from cnnbench.probes.accuracy.settings import AccuracySetting, AccuracySpec
from cnnbench.probes.accuracy.training_config import images_in_label
from cnnbench.statistics.measurement import JudgedImages
from tests.suite.fake import FakeModel


def setting(min_size: int | None = None, **wording: Any) -> AccuracySetting:
    model = FakeModel("Net", "Net", min_size=min_size)
    (found,) = AccuracySpec.model_validate({"dataset": "fashion_mnist", **wording}).settings(model)
    return found


@pytest.mark.parametrize(
    ("wording", "label"),
    [
        ({}, "fashion_mnist/scratch"),
        ({"min_size": 32}, "fashion_mnist/scratch/32px"),
        ({"image_size": 28}, "fashion_mnist/scratch"),
        (
            {"image_size": 32, "epochs": 2, "train_examples": 10000},
            "fashion_mnist/scratch/32px/2ep/n10000",
        ),
        ({"dataset": "digits", "batch_size": 32}, "digits/scratch/batch_size=32"),
        ({"augment": {"flip": "horizontal"}}, "fashion_mnist/scratch/flip=horizontal"),
        ({"clip_norm": None}, "fashion_mnist/scratch/clip_norm=none"),
        ({"dataset": "folder:my/photos"}, "photos/scratch"),
        ({"keep_weights": True}, "fashion_mnist/scratch"),
        (
            {"recipe": "transfer", "weights": "w/net.h5", "weights_sha256": "ab12cd34ef"},
            "fashion_mnist/transfer/weights=net.h5/weights-ab12cd34",
        ),
    ],
)
def test_the_label_names_what_differs_from_the_defaults(
    wording: dict[str, Any], label: str
) -> None:
    assert setting(**wording).label() == label


def own(shape: tuple[int, ...], *, stated: bool, **wording: Any) -> AccuracySetting:
    """The setting of a network that states its input, or that is fixed at it."""
    inputs = frozenset({"input_shape"})
    model = FakeModel(
        "Net", "Net", input_shape=shape, **({"stated": inputs} if stated else {"fixed": inputs})
    )
    (found,) = AccuracySpec.model_validate({"dataset": "fashion_mnist", **wording}).settings(model)
    return found


@pytest.mark.parametrize(
    ("shape", "stated", "wording", "label", "images"),
    [
        # A name that states its input is trained at it, with one column for all sizes.
        ((96, 96, 3), True, {}, "fashion_mnist/scratch/own", (96, 96, 3)),
        ((28, 28, 1), True, {}, "fashion_mnist/scratch/own", (28, 28, 1)),
        ((96, 96, 3), True, {"image_size": 32}, "fashion_mnist/scratch/own", (96, 96, 3)),
        ((48, 64, 1), True, {"image_size": 48}, "fashion_mnist/scratch/own", (48, 64, 1)),
        ((96, 96, 3), True, {"recipe": "transfer"}, "fashion_mnist/transfer/own", (96, 96, 3)),
        # What the suite asks for anyway is no exception from it.
        ((32, 32, 3), True, {"image_size": 32}, "fashion_mnist/scratch/32px", (32, 32, 3)),
        # A fixed input is one's own where it is another than the suite's or the data set's.
        ((96, 96, 3), False, {}, "fashion_mnist/scratch/own", (96, 96, 3)),
        ((96, 96, 3), False, {"image_size": 32}, "fashion_mnist/scratch/own", (96, 96, 3)),
        ((28, 28, 1), False, {}, "fashion_mnist/scratch", (28, 28, 1)),
        ((32, 32, 3), False, {"image_size": 32}, "fashion_mnist/scratch/32px", (32, 32, 3)),
        # One that only building tells is asked to be the suite's.
        ((), False, {"image_size": 32}, "fashion_mnist/scratch/32px", (32, 32, 1)),
    ],
)
def test_a_network_that_has_an_input_of_its_own_keeps_it(
    shape: tuple[int, ...],
    stated: bool,
    wording: dict[str, Any],
    label: str,
    images: tuple[int, ...],
) -> None:
    found = own(shape, stated=stated, **wording)
    assert found.label() == label
    assert found.images_for(shape) == images
    assert AccuracySetting.model_validate(found.model_dump(mode="json")) == found


def test_networks_of_several_sizes_have_the_same_setting() -> None:
    assert own((96, 96, 3), stated=True) == own((160, 160, 3), stated=True)


def test_a_suite_can_ask_for_the_own_input_of_all() -> None:
    found = setting(image_size="own")
    assert found.label() == "fashion_mnist/scratch/own"
    assert found.images_for((32, 32, 3)) == (32, 32, 3)


@pytest.mark.parametrize("size", [3, "large", 32.5])
def test_rejects_invalid_image_size(size: object) -> None:
    with pytest.raises(ValidationError, match="'own'"):
        setting(image_size=size)


def test_training_takes_as_long_as_its_own_images_are_large() -> None:
    found = own((96, 160, 3), stated=True, epochs=2, train_examples=10)
    assert found.training_pixels((96, 160, 3)) == 2 * 10 * 96 * 160
    assert found.training_pixels(()) == 2 * 10 * 28 * 28, "not known: as the data set's"


def test_evaluation_follows_the_batch_of_the_training() -> None:
    sizes = [setting(batch_size=size).evaluated_at_once for size in (1, 32, 64, 1024)]
    assert sizes == [4, 128, 256, 256]


def test_leaves_tracing_out_of_the_seconds_that_grow_with_the_training() -> None:
    metrics = {"train_s": 50.0, "epoch_s": 3.0}
    assert setting(epochs=10).training_seconds(metrics) == 30.0
    assert setting(epochs=10).training_seconds({"train_s": 50.0}) == 50.0
    assert setting(recipe="transfer").training_seconds(metrics) == 50.0
    assert setting().training_seconds({}) == 0.0


def notes(*models: FakeModel, **wording: Any) -> list[str]:
    return list(AccuracySpec.model_validate({"dataset": "digits", **wording}).notes(models))


def test_where_both_give_a_size_it_is_said_which_holds_for_whom() -> None:
    stating = {"stated": frozenset({"input_shape"})}
    plain, other = FakeModel("A", "A"), FakeModel("B", "B")
    small, large = (
        FakeModel(label, label, input_shape=(side, side, 3), **stating)
        for label, side in (("S", 96), ("L", 160))
    )
    assert notes(plain, small, other, large, image_size=32) == [
        "digits: image_size: 32 applies to A, B; S keeps its own input, 96x96x3; "
        "L keeps its own input, 160x160x3"
    ]
    assert notes(small, image_size=32) == [
        "digits: image_size: 32 applies to none of its models; S keeps its own input, 96x96x3"
    ]
    assert notes(plain, other, image_size=32) == []
    assert notes(plain, small) == []
    assert notes(plain, small, image_size="own") == []
    assert notes(plain, small, image_size=96) == []


def test_other_classes_than_a_name_states_are_said() -> None:
    stated = frozenset({"classes"})
    four, ten = (FakeModel(f"C{n}", f"C{n}", classes=n, stated=stated) for n in (4, 10))
    assert notes(four, ten, FakeModel("A", "A", classes=1000)) == [
        "digits: C4 is trained for the data set's 10 classes"
    ]
    assert notes(four, dataset="folder:photos") == [], "only reading tells how many it has"


def test_every_default_is_filled_in_and_comes_back_from_json() -> None:
    found = setting(min_size=32)
    assert found.image_size == 32
    dumped = found.model_dump(mode="json")
    assert AccuracySetting.model_validate(dumped) == found
    assert dumped["batchnorm_momentum"] == 0.9


def test_an_image_smaller_than_the_network_takes_is_refused() -> None:
    with pytest.raises(UserError, match="image_size is 28, but it takes at least 32 px"):
        setting(min_size=32, image_size=28)


@pytest.mark.parametrize(
    ("wording", "message"),
    [
        ({"dataset": "fashon_mnist"}, "did you mean 'fashion_mnist'"),
        ({"dataset": "folder:"}, "needs a path"),
        ({"early_stop": 3}, "early_stop needs validation images"),
        ({"target_top1": 0.9}, "target_top1 needs validation images"),
        ({"dropout": 0.5}, "dropout: only with recipe: transfer"),
        ({"epochs": 0}, "greater than or equal to 1"),
        ({"schedule": "cosin"}, "'constant', 'linear', 'cosine' or 'exponential'"),
    ],
)
def test_a_mistake_is_explained(wording: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        setting(**wording)


def test_the_target_is_named_by_the_metric_of_the_task_in_suites_keys_and_labels() -> None:
    found = setting(target_top1=0.9, validation=0.1)
    assert found.target == 0.9
    assert found.label().endswith("/validation=0.1/target_top1=0.9")
    dumped = found.model_dump(mode="json")
    assert dumped["target_top1"] == 0.9 and "target" not in dumped
    assert AccuracySetting.model_validate(dumped) == found
    assert setting().model_dump(mode="json")["target_top1"] is None
    with pytest.raises(ValidationError, match="target_top5"):
        setting(target_top5=0.9, validation=0.1)


@pytest.mark.parametrize(
    ("wording", "images"),
    [
        ({}, JudgedImages(28, 10)),
        ({"image_size": 32, "train_examples": 100}, JudgedImages(32, 10)),
        ({"image_size": "own", "epochs": 2}, JudgedImages(0, 10)),
        ({"dataset": "folder:photos", "image_size": 64}, JudgedImages(64, 0)),
        ({"dataset": "folder:photos", "recipe": "pretrained"}, JudgedImages(0, 0)),
    ],
)
def test_a_label_tells_the_images_of_its_setting(
    wording: dict[str, Any], images: JudgedImages
) -> None:
    found = setting(**wording)
    assert found.judged_images("top1") == images == images_in_label("top1", found.label())
    assert found.judged_images("train_s") is None is images_in_label("train_s", found.label())


@pytest.mark.parametrize("first", [100, 0.25, "block_13_expand"])
def test_unfreeze_from_keeps_its_kind(first: Any) -> None:
    found = setting(recipe="transfer", unfreeze_from=first)
    back = AccuracySetting.model_validate(found.model_dump(mode="json"))
    assert type(back.unfreeze_from) is type(first)
    assert back.unfreeze_from == first


def test_hashes_are_filled_in_from_what_is_found(tmp_path: Path) -> None:
    spec = AccuracySpec(dataset="folder:photos", recipe="transfer", weights="net.h5")
    assert spec.located([tmp_path], None) == spec
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "net.h5").write_bytes(b"abc")
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "cat" / "1.png").write_bytes(b"1")
    found = spec.located([tmp_path], tmp_path)
    # FIPS 180-2, appendix B.1: the hash of "abc"
    assert found.weights_sha256.startswith("ba7816bf 8f01cfea".replace(" ", ""))
    assert len(found.dataset_sha256) == 64
