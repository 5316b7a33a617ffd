"""Matching weights are loaded; for others the error names their network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.errors import UserError
from cnnbench.models import registry, weights


def net(classes: int = 3, channels: int = 3, depth: int = 1) -> Any:
    import tensorflow as tf

    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            layers.Input((8, 8, channels)),
            layers.RandomFlip(),
            *(layers.Conv2D(4, 3, padding="same") for _ in range(depth)),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.1),
            layers.Dense(classes),
        ]
    )


@pytest.mark.parametrize("name", ["net.weights.h5", "net.h5", "net.keras"])
def test_loads_all_weights_of_the_same_network(name: str, tmp_path: Path) -> None:
    trained = net()
    trained.compile("adam", "mse")
    trained.fit(np.ones((2, 8, 8, 3)), np.ones((2, 3)), verbose=0)
    if name.endswith(".weights.h5"):
        trained.save_weights(tmp_path / name)
    else:
        trained.save(tmp_path / name)
    other = net()
    weights.load(other, tmp_path / name, "Net")
    for mine, theirs in zip(other.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("saved", "words"),
    [
        ({"classes": 5}, "do not fit Net[alpha=2]: they belong to Net[alpha=2,classes=5] ("),
        (
            {"channels": 1},
            "do not fit Net[alpha=2]: they belong to Net[alpha=2,input_shape=HxWx1] (",
        ),
        (
            {"depth": 2},
            "net.weights.h5 has weights for layers that Net[alpha=2] does not have: conv2d",
        ),
        ({"depth": 0}, "do not fit Net[alpha=2]: "),
    ],
)
def test_error_names_the_network_of_the_weights(
    saved: dict[str, int], words: str, tmp_path: Path
) -> None:
    file = tmp_path / "net.weights.h5"
    net(**saved).save_weights(file)
    with pytest.raises(UserError) as caught:
        weights.load(net(), file, "Net[alpha=2]")
    assert words in str(caught.value)
    assert "could not be loaded" not in str(caught.value)


def test_error_names_no_parameter_if_arrays_differ_otherwise(tmp_path: Path) -> None:
    """Two arrays of one shape in the network, of two shapes in the file."""
    import tensorflow as tf

    def two(hidden: int) -> Any:
        dense = [tf.keras.layers.Dense(units, use_bias=False) for units in (hidden, 4)]
        return tf.keras.Sequential([tf.keras.layers.Input((4,)), *dense])

    file = tmp_path / "net.weights.h5"
    two(5).save_weights(file)
    with pytest.raises(UserError, match="do not fit Net: the file holds 2 arrays"):
        weights.load(two(4), file, "Net")


@pytest.mark.slow
def test_error_names_a_catalogue_model_of_the_same_size(tmp_path: Path) -> None:
    file = tmp_path / "net.weights.h5"
    registry.resolve("MobileNetV2[classes=7,input_shape=32x32x3]").build().save_weights(file)
    with pytest.raises(UserError, match=r"as many parameters as MobileNetV2\[classes=7\]"):
        registry.resolve("ResNet18[classes=7]").build(weights=file)
    with pytest.raises(UserError, match=r"they belong to MobileNetV2\[classes=7\]"):
        registry.resolve("MobileNetV2").build(weights=file)


@pytest.mark.slow
def test_a_backbone_loads_its_part_of_the_whole_networks_weights(tmp_path: Path) -> None:
    file = tmp_path / "net.weights.h5"
    small = registry.resolve("MobileNetV2[alpha=0.35,input_shape=32x32x3]")
    whole = small.build(classes=7)
    whole.save_weights(file)
    backbone = small.build(include_top=False, weights=file)
    for mine, theirs in zip(backbone.get_weights(), whole.get_weights(), strict=False):
        np.testing.assert_array_equal(mine, theirs)
    net(depth=2).save_weights(file)
    with pytest.raises(UserError, match="has weights for layers that Net does not have: conv2d_1"):
        weights.load(net(), file, "Net", whole=net)


def test_error_names_weights_of_transfer_learning(tmp_path: Path) -> None:
    from cnnbench.probes.accuracy.settings import AccuracySetting
    from cnnbench.probes.accuracy.training import transfer
    from tests.tasks.objectives import classes

    subject = registry.resolve("MobileNetV2[alpha=0.35]")
    setting = AccuracySetting(dataset="tf_flowers", recipe="transfer", image_size=32)
    file = tmp_path / "flowers.weights.h5"
    transfer.build(subject, setting, classes(5), None, seed=0).whole.save_weights(file)
    with pytest.raises(UserError) as caught:
        subject.build(weights=file)
    assert (
        "they belong to a network trained with recipe: transfer with 5 classes; pass --recipe "
        "transfer --dataset NAME"
    ) in str(caught.value)
