"""How an accuracy setting is filled in, checked, and written in a column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cnnbench.core.errors import UserError
from cnnbench.core.settings.accuracy import AccuracySetting, AccuracySpec
from tests.core.fake import FakeModel


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
def test_label(wording: dict[str, Any], label: str) -> None:
    assert setting(**wording).label() == label


def test_every_default_is_filled_in_and_comes_back_from_json() -> None:
    found = setting(min_size=32)
    assert found.image_size == 32
    dumped = found.model_dump(mode="json")
    assert AccuracySetting.model_validate(dumped) == found
    assert dumped["batchnorm_momentum"] == 0.9


def test_an_image_smaller_than_the_network_takes_is_refused() -> None:
    with pytest.raises(UserError, match="image_size is 28, but it takes 32 px at least"):
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
