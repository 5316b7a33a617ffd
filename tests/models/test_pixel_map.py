"""Preprocessing as a map of pixels, stored in a ``.keras`` file."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.models.preprocessing import MEMBER, PixelMap
from tests.models import keras_zip

IMAGES = np.random.default_rng(1).integers(0, 256, (2, 5, 5, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "name", ["ResNet18", "ResNet50", "MobileNetV2", "VGG16", "DenseNet121", "GoogLeNet", "AlexNet"]
)
def test_pixel_map_equals_the_preprocessing_of_every_family(name: str, tmp_path: Path) -> None:
    model = registry.resolve(name)
    found = PixelMap.of(model.preprocess, 3)
    assert found is not None
    np.testing.assert_allclose(found(IMAGES), model.preprocess(IMAGES.copy()), rtol=1e-4, atol=1e-4)
    file = keras_zip.write(tmp_path / "net.keras")
    found.write(file)
    kept = registry.resolve("net.keras", (tmp_path,)).preprocess(IMAGES)
    np.testing.assert_allclose(kept, model.preprocess(IMAGES.copy()), rtol=1e-4, atol=1e-4)


def squared(images: Any) -> Any:
    return images**2


def centred(images: Any) -> Any:
    return images - images.mean()


@pytest.mark.parametrize("preprocess", [squared, centred])
def test_nonlinear_preprocessing_has_no_pixel_map(preprocess: Any) -> None:
    assert PixelMap.of(preprocess, 3) is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"matrix": [[1]], "offset": [0, 0]}',
        '{"matrix": [[NaN]], "offset": [0]}',
        '{"matrix": [["a"]], "offset": [0]}',
        '{"matrix": [[1]], "offset": [0]}' + " " * 5000,
    ],
)
def test_reports_damaged_pixel_map(text: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(keras_zip.write(tmp_path / "net.keras"), "a") as archive:
        archive.writestr(MEMBER, text)
    with pytest.raises(UserError, match=r"not a \.keras file: "):
        registry.resolve("net.keras", (tmp_path,)).preprocess(IMAGES)
