"""The pictures of Fashion-MNIST that come with cnnbench are those that the full data set gives."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from cnnbench.data import downloads, fashion_mnist, loading
from cnnbench.data.datasets import Request
from cnnbench.errors import Unavailable
from tests import packaged

SHA256 = {
    "test_images": "146dfcf6c1d908d7482f8db200c6deda355c3af74cddf30db2c95d77226ffa3a",
    "test_labels": "0802dab0a8ead356565f46742febe1d3f3f87b40c1afcee94d980a4dd0823504",
    "test_places": "56a9ef044635047a2560246b535fb6a4d87733a781c6338b57bb0a73b86ffbd9",
    "train_images": "c2f9754af643f5631959024e2ae301d493719c6b88e4b341badc6c8ec37a2e69",
    "train_labels": "7410cfb699f6a9366e6b38f08511443c8ba9499fbeaa90401847dd7ba6b79227",
    "train_places": "3694c868037b12b96e51c1ac1b3efa17c3233cf908e08c2509b09cefcbd5bb2e",
}


def stored() -> dict[str, np.ndarray]:
    with np.load(packaged.FILE, allow_pickle=False) as file:
        return dict(file)


def test_every_byte_is_the_one_that_was_packaged() -> None:
    found = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in stored().items()}
    assert found == SHA256


def test_every_class_has_its_share_and_no_place_stands_twice() -> None:
    arrays = stored()
    assert np.bincount(arrays["train_labels"]).tolist() == [250] * 10
    assert np.bincount(arrays["test_labels"]).tolist() == [200] * 10
    assert len(set(arrays["train_places"].tolist())) == 2500
    assert len(set(arrays["test_places"].tolist())) == 2000


def test_they_take_little_room_and_their_licence_lies_beside_them() -> None:
    folder = resources.files("cnnbench.data") / fashion_mnist.PACKAGED[0]
    names = {file.name for file in folder.iterdir()}
    assert names == {"images.npz", "LICENSE"}
    assert sum(len(file.read_bytes()) for file in folder.iterdir()) < 2_500_000
    licence = (folder / "LICENSE").read_text(encoding="utf-8")
    assert "MIT License" in licence
    assert "2017 Zalando SE" in licence


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder on a machine without a network."""
    monkeypatch.setattr(downloads, "reachable", lambda url: False)
    return tmp_path


def test_a_small_request_reads_nothing_else(nowhere: Path) -> None:
    data = loading.load(
        Request("fashion_mnist", 32, 3, train_examples=40, test_examples=2000), nowhere
    )
    assert data.train.images.shape == (40, 32, 32, 3)
    assert data.test.images.shape == (2000, 32, 32, 3)
    assert np.bincount(data.train.labels).tolist() == [4] * 10
    assert data.classes == fashion_mnist.CLASSES
    assert list(nowhere.iterdir()) == []


@pytest.mark.parametrize(
    "more",
    [
        {"train_examples": 2501},
        {"test_examples": 2001},
        {"train_examples": None},
        {"test_examples": None},
        {"validation": 0.1},
    ],
    ids=str,
)
def test_a_request_for_other_pictures_asks_for_the_full_data_set(
    more: dict[str, float | None], nowhere: Path
) -> None:
    asked = {"train_examples": 2500, "test_examples": 2000} | more
    with pytest.raises(Unavailable, match=r"at most 2,500 training and 2,000 test images"):
        loading.load(Request("fashion_mnist", 28, 1, **asked), nowhere)  # type: ignore[arg-type]


@pytest.mark.data
def test_they_are_made_of_the_full_data_set(data_dir: Path) -> None:
    made = packaged.arrays(data_dir)
    found = stored()
    assert made.keys() == found.keys()
    for name, array in made.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array), name


@pytest.mark.data
def test_the_full_data_set_gives_the_same_pictures_in_the_same_order(data_dir: Path) -> None:
    full = fashion_mnist.official(data_dir)
    for train, test in [(1, 1), (7, 13), (500, 300), (1000, 1999), (2499, 2), (2500, 2000)]:
        size, channels = (28, 1) if train % 2 else (32, 3)
        asked = Request("fashion_mnist", size, channels, train_examples=train, test_examples=test)
        data = loading.load(asked, Path("/nonexistent"))
        for part, whole, count in ((data.train, full.train, train), (data.test, full.test, test)):
            picked = loading.subset(whole.labels, count)
            assert np.array_equal(part.labels, whole.labels[picked])
            assert np.array_equal(part.images, whole.read(picked, size, channels))
