"""Weights of models with a head: of the whole network, of its backbone, of the classifier."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.errors import Unavailable, UserError
from cnnbench.models import headed, model_name, registry
from cnnbench.models.heads import PREFIX
from cnnbench.models.model import Model
from cnnbench.plugins import Registry
from tests.models.built import weightless


def equal(one: Any, other: Any, layers: list[str]) -> bool:
    pairs = [
        (mine, theirs)
        for name in layers
        for mine, theirs in zip(
            one.get_layer(name).get_weights(), other.get_layer(name).get_weights(), strict=True
        )
    ]
    return bool(pairs) and all(np.array_equal(mine, theirs) for mine, theirs in pairs)


BACKBONE, HEAD = ["C1", "C3", "C5"], ["task_head_boxes", "task_head_classes"]


@pytest.mark.parametrize("name", ["net.weights.h5", "net.h5", "net.keras"])
def test_loads_weights_of_the_whole_network(name: str, tmp_path: Path) -> None:
    model = registry.resolve("LeNet5+box")
    trained, file = model.build(), tmp_path / name
    (trained.save_weights if name.endswith(".weights.h5") else trained.save)(file)
    assert equal(model.build(weights=file), trained, BACKBONE + HEAD)
    assert equal(model.build(weights=file, include_top=False), trained, BACKBONE)


@pytest.mark.parametrize("include_top", [True, False])
def test_loads_weights_of_the_backbone_alone(include_top: bool, tmp_path: Path) -> None:
    """From a file without a top, and from a classifier's."""
    trained = registry.resolve("LeNet5").build(include_top=include_top)
    trained.save_weights(tmp_path / "net.weights.h5")
    model = registry.resolve("LeNet5+box[classes=3]")
    found = model.build(weights=tmp_path / "net.weights.h5")
    assert equal(found, trained, BACKBONE)
    assert found.output["classes"].shape == (None, 3)
    bare = model.build(weights=tmp_path / "net.weights.h5", include_top=False)
    assert equal(bare, trained, BACKBONE)


def test_weights_for_other_classes_are_named_and_not_taken_for_a_backbones(tmp_path: Path) -> None:
    registry.resolve("BasicCNN+box").build(classes=3).save_weights(tmp_path / "net.weights.h5")
    with pytest.raises(UserError, match=r"they belong to BasicCNN\+box\[classes=3\]"):
        registry.resolve("BasicCNN+box").build(weights=tmp_path / "net.weights.h5")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    registry.resolve("LeNet5").build().save_weights(tmp_path / "net.weights.h5")
    with pytest.raises(UserError, match=r"do not fit BasicCNN\+box: "):
        registry.resolve("BasicCNN+box").build(weights=tmp_path / "net.weights.h5")
    with pytest.raises(Unavailable, match=r"no weights file .* for LeNet5\+box"):
        registry.resolve("LeNet5+box").build(weights=tmp_path / "none.weights.h5")


def test_imagenet_weights_are_the_backbones() -> None:
    with pytest.raises(Unavailable, match="there are no ImageNet weights for LeNet5"):
        registry.resolve("LeNet5+box").build(weights="imagenet")


@pytest.mark.data
def test_loads_published_weights_of_a_backbone(data_dir: Path) -> None:
    file = data_dir / "weights" / "mobilenet_v2_160_stanford_dogs_no_top.weights.h5"
    model = registry.resolve("MobileNetV2+box[input_shape=160x160x3,classes=5]")
    found, bare = model.build(weights=file), model.build(weights=file, include_top=False)
    assert equal(found, bare, ["Conv1", "Conv_1"])
    assert found.output["classes"].shape == (None, 5)


# A head that changes a whole classifier ------------------------------------------------------


@dataclass(frozen=True)
class Doubled:
    """Twice the probabilities: it stands for heads that keep the classifier's top."""

    task: str = "classification"
    summary: str = "twice the probabilities"
    takes_top: bool = True

    def attach(self, backbone: Any, classes: int, *, times: int = 2) -> Any:
        import tensorflow as tf

        kernel = np.eye(classes, dtype=np.float32) * times
        same = tf.keras.initializers.Constant(kernel)
        layer = tf.keras.layers.Dense(
            classes, use_bias=False, kernel_initializer=same, name=f"{PREFIX}doubled"
        )
        return layer(backbone.outputs[0])


DOUBLED = Doubled()


def doubled(text: str, folder: Path) -> Model:
    heads: Registry[Any] = Registry("none", "head", {"doubled": f"{__name__}:DOUBLED"})
    written = model_name.parse(text)
    return headed.resolve(written, lambda name: registry.resolve(name.text, [folder]), heads)


def test_a_head_on_a_classifier_keeps_its_top(tmp_path: Path) -> None:
    model = doubled("LeNet5+doubled[times=3]", tmp_path)
    assert (model.classes, model.fixed) == (10, frozenset())
    sums = model.build()(np.ones((1, 32, 32, 1), np.float32)).numpy().sum(axis=1)
    np.testing.assert_allclose(sums, 3, rtol=1e-6)
    with weightless(model, classes=7) as network:
        assert network.output_shape == (None, 7)


def test_a_trained_classifier_in_a_file_takes_it(tmp_path: Path) -> None:
    classifier = registry.resolve("LeNet5").build()
    classifier.save(tmp_path / "net.keras")
    model = doubled("net.keras+doubled", tmp_path)
    assert model.is_trained
    assert (model.classes, model.fixed) == (10, {"input_shape", "classes"})
    images = np.ones((1, 32, 32, 1), np.float32)
    np.testing.assert_allclose(model.build()(images), 2 * classifier(images), rtol=1e-5)


def test_a_fixed_classifier_keeps_its_input_and_classes(tmp_path: Path) -> None:
    registry.resolve("LeNet5").build().save(tmp_path / "net.keras")
    with pytest.raises(UserError) as caught:
        doubled("net.keras+doubled[classes=3]", tmp_path)
    assert str(caught.value) == (
        "net.keras+doubled cannot be built with classes=3: net.keras keeps its own (classes=10) "
        "(leave classes out)"
    )
    assert doubled("net.keras+doubled[classes=10]", tmp_path).classes == 10


def test_it_loads_weights_of_the_classifier_or_of_the_whole(tmp_path: Path) -> None:
    model, images = doubled("LeNet5+doubled", tmp_path), np.ones((1, 32, 32, 1), np.float32)
    classifier = registry.resolve("LeNet5").build()
    classifier.save_weights(tmp_path / "classifier.weights.h5")
    found = model.build(weights=tmp_path / "classifier.weights.h5")
    np.testing.assert_allclose(found(images), 2 * classifier(images), rtol=1e-5)
    found.save_weights(tmp_path / "whole.weights.h5")
    again = model.build(weights=tmp_path / "whole.weights.h5")
    np.testing.assert_array_equal(again(images), found(images))
