"""The named data sets: counts, classes, and what is said where they cannot be had."""

from __future__ import annotations

import gzip
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from cnnbench.data import downloads, loading
from cnnbench.data.datasets import Request
from cnnbench.errors import Unavailable


def test_digits_are_split_four_to_one_with_every_class() -> None:
    data = loading.load(Request("digits", size=8, channels=1))
    # scikit-learn's digits: 1,797 images; a fifth is 359.4, rounded.
    assert (len(data.train), len(data.test)) == (1438, 359)
    assert data.classes == tuple("0123456789")
    assert np.bincount(data.test.labels).min() >= 34
    assert data.train.images.max() == 255
    assert data.validation is None


def test_digits_hold_out_validation_images_when_asked() -> None:
    wanted = Request("digits", 8, 3, train_examples=500, validation=0.1)
    data = loading.load(wanted)
    assert data.validation is not None
    assert (len(data.train), len(data.validation)) == (500, 144)
    assert data.train.images.shape == (500, 8, 8, 3)


def test_without_network_and_data_the_answer_comes_in_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "reachable", lambda url: False)
    with pytest.raises(Unavailable, match=r"put its four files .* into .*fashion-mnist"):
        loading.load(Request("fashion_mnist", 28, 1), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_silent_network_is_given_up_before_the_system_would() -> None:
    started = time.perf_counter()
    # 192.0.2.1 is reserved for documentation (RFC 5737): nothing ever answers there.
    assert not downloads.reachable("http://192.0.2.1/")
    with downloads.short_timeouts(), pytest.raises(OSError):
        urllib.request.urlopen("https://192.0.2.1/")
    # Twice five seconds; twice the system's own patience is over four minutes.
    assert time.perf_counter() - started < 120


def test_damaged_files_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "keras" / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"too short" * 10))
    with pytest.raises(Unavailable, match=r"train-images-idx3-ubyte.gz is damaged"):
        loading.load(Request("fashion_mnist", 28, 1), tmp_path)


@pytest.mark.data
def test_fashion_mnist_is_the_official_one(data_dir: Path) -> None:
    wanted = Request("fashion_mnist", 28, 1, train_examples=1000)
    data = loading.load(wanted, data_dir)
    assert np.bincount(data.train.labels).tolist() == [100] * 10
    assert np.bincount(data.test.labels).tolist() == [1000] * 10
    assert data.test.images.shape == (10_000, 28, 28, 1)
    assert data.classes[data.test.labels[0]] == "Ankle boot"


@pytest.mark.slow
@pytest.mark.data
def test_tf_flowers_has_the_chapters_split(data_dir: Path) -> None:
    data = loading.load(Request("tf_flowers", size=16, channels=3), data_dir)
    assert data.validation is not None
    # 10 %, 15 % and 75 % of 3,670, to the nearest picture.
    assert [len(part) for part in (data.test, data.validation, data.train)] == [367, 551, 2752]
    assert data.classes == ("dandelion", "daisy", "tulips", "sunflowers", "roses")
    assert data.train.images.shape == (2752, 16, 16, 3)
    assert np.bincount(data.test.labels, minlength=5).min() > 40


def test_tf_flowers_that_cannot_be_had_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "reachable", lambda url: False)
    with pytest.raises(Unavailable, match="tf_flowers is missing and cannot be downloaded"):
        loading.load(Request("tf_flowers", 16, 3), tmp_path)
