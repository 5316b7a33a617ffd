"""A trained model: another interface, the name and identity of the suite's model."""

from __future__ import annotations

from typing import Any

import pytest

from cnnbench.models import registry
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.compression.trained_model import TrainedModel


@pytest.fixture
def trained() -> TrainedModel:
    model: ModelHandle = registry.resolve("LeNet5", [])
    return TrainedModel(model, (28, 28, 1), 7)


def test_keeps_name_and_identity(trained: TrainedModel) -> None:
    model = trained.model
    for name in ("text", "label", "stated", "fixed", "output", "min_size", "is_trained"):
        assert getattr(trained, name) == getattr(model, name)
    assert trained.identity() == model.identity()
    assert trained.published() == model.published()


@pytest.mark.parametrize(
    ("options", "shape", "classes"),
    [
        ({}, (28, 28, 1), 7),
        ({"classes": 3}, (28, 28, 1), 3),
        ({"input_shape": (40, 40, 1)}, (40, 40, 1), 7),
    ],
)
def test_builds_with_the_interface_of_the_training(
    trained: TrainedModel, options: dict[str, Any], shape: tuple[int, ...], classes: int
) -> None:
    for built in (trained.build(**options), trained.architecture(**options)):
        assert built.input_shape == (None, *shape)
        assert built.output_shape == (None, classes)


def test_builds_the_backbone_without_classes(trained: TrainedModel) -> None:
    model = TrainedModel(registry.resolve("MobileNetV2[alpha=0.35]", []), (32, 32, 3), 7)
    assert len(model.build(include_top=False).output_shape) == 4
    assert trained.with_interface((32, 32, 1), 3) == TrainedModel(trained.model, (32, 32, 1), 3)
