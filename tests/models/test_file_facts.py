"""Facts that a ``.keras`` file states: its task, classes, and preprocessing as a map of pixels."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.models.file_facts import MEMBER, FileFacts
from cnnbench.models.preprocessing import PixelMap
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
    FileFacts(pixels=found).write(file)
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
        '{"matrix": [[1]], "offset": [0]}' + " " * 2**22,
        '{"task": 3}',
        '{"task": "localization", "classes": "cat"}',
        '{"task": "localization", "classes": [1]}',
        '{"task": "localization", "fit": "squeeze"}',
        '{"task": "localization", "pixels": []}',
        '{"task": "localization", "pixels": {"matrix": [[1]], "offset": [0, 0]}}',
    ],
)
def test_reports_damaged_facts(text: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(keras_zip.write(tmp_path / "net.keras"), "a") as archive:
        archive.writestr(MEMBER, text)
    with pytest.raises(UserError, match=r"not a \.keras file: "):
        registry.resolve("net.keras", (tmp_path,)).preprocess(IMAGES)


def test_a_file_states_task_classes_and_fit(tmp_path: Path) -> None:
    facts = FileFacts("localization", ("cat", "größer", "dog\udce9"), fit="letterbox")
    facts.write(keras_zip.write(tmp_path / "net.keras"))
    model = registry.resolve("net.keras", (tmp_path,))
    assert (model.task, model.classes, model.entry.fit) == ("localization", 3, "letterbox")
    assert model.entry.class_names == ("cat", "größer", "dog\\udce9"), "as text that can be encoded"


def test_a_pixel_map_alone_is_that_of_a_classifier(tmp_path: Path) -> None:
    """Files of runs before tasks hold nothing else."""
    with zipfile.ZipFile(keras_zip.write(tmp_path / "net.keras"), "a") as archive:
        archive.writestr(MEMBER, '{"matrix": [[2]], "offset": [1]}')
    model = registry.resolve("net.keras", (tmp_path,))
    assert (model.task, model.classes, model.entry.class_names) == ("classification", 4, ())
    np.testing.assert_array_equal(model.preprocess(IMAGES[..., :1]), 2 * IMAGES[..., :1] + 1)
