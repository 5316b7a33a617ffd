"""Heads in the name of a model: ``LeNet5+box[classes=3]``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cnnbench import named
from cnnbench.analysis import inspect
from cnnbench.errors import UserError
from cnnbench.models import registered, registry
from cnnbench.models.heads import HEADS, PREFIX
from tests.models.built import weightless

NETS = """
from tensorflow import keras

L = keras.layers


def net(include_top=True, input_shape=(16, 12, 1), classes=5, width=2):
    inputs = keras.Input(input_shape)
    x = L.Conv2D(width, 3, padding="same")(inputs)
    if include_top:
        x = L.Dense(classes, "softmax")(L.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, x)


def demanding(input_shape, classes, include_top=True):
    return net(include_top, input_shape, classes)


def own_input(include_top=True):
    return net(include_top)


def whole_only(input_shape=(16, 12, 1), classes=5):
    return net(True, input_shape, classes)


def vectors(include_top=True, input_shape=(16, 12, 1), classes=5):
    return net(True, input_shape, classes)


class Subclassed(keras.Model):
    def __init__(self, include_top=True, classes=4):
        super().__init__()
        self.conv, self.pool = L.Conv2D(3, 3), L.GlobalAveragePooling2D()
        self.top = L.Dense(classes) if include_top else None

    def call(self, x):
        return self.conv(x) if self.top is None else self.top(self.pool(self.conv(x)))
"""


@pytest.fixture
def nets(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder with a module that this process has not imported, and forgets afterwards."""
    sys.modules.pop("nets", None)
    (tmp_path / "nets.py").write_text(NETS)
    yield tmp_path
    sys.modules.pop("nets", None)


def refusal(text: str, folder: Path | None = None) -> str:
    with pytest.raises(UserError) as caught:
        registry.resolve(text, [folder] if folder else [])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_counts_of_basic_cnn_with_a_box_equal_those_by_hand() -> None:
    convolutions = [(28, 7, 1, 64), (14, 3, 64, 128), (14, 3, 128, 128), (7, 3, 128, 256)]
    convolutions += [(7, 3, 256, 256)]
    params = sum(k * k * given * made + made for _, k, given, made in convolutions)
    macs = sum(px * px * k * k * given * made for px, k, given, made in convolutions)
    with weightless(registry.resolve("BasicCNN+box")) as network:
        metrics = inspect(network).metrics
    assert metrics["params"] == params + (256 + 1) * (4 + 10) == 1_113_486
    assert metrics["macs"] == macs + 256 * (4 + 10) == 89_166_336
    # At its peak the first convolution's maps and the pooled ones are alive.
    assert metrics["activation_infer_peak_bytes"] == 4 * (28 * 28 + 14 * 14) * 64


def test_counts_of_lenet_with_a_box_equal_those_by_hand() -> None:
    with weightless(registry.resolve("LeNet5+box[classes=3]")) as network:
        metrics = inspect(network).metrics
    assert metrics["params"] == 156 + 2_416 + 48_120 + (120 + 1) * (4 + 3)
    assert metrics["macs"] == 117_600 + 240_000 + 48_000 + 120 * (4 + 3)
    c1, s2, c3, s4, c5, pooled, outputs = 4_704, 1_176, 1_600, 400, 120, 120, 4 + 3
    total = c1 + 2 * s2 + c3 + 2 * s4 + c5 + pooled + outputs  # tanh follows each subsampling
    assert metrics["activation_sum_bytes"] == 4 * total
    assert metrics["uncounted_ops"] == 0


def test_outputs_are_a_box_and_probabilities() -> None:
    model = registry.resolve("LeNet5+box[classes=3]")
    found = model.build()(np.zeros((2, 32, 32, 1), np.float32))
    assert found["boxes"].shape == (2, 4)
    np.testing.assert_allclose(found["classes"].numpy().sum(axis=1), 1, rtol=1e-6)


def test_a_model_with_a_head_states_what_planning_needs() -> None:
    text = "mobilenet-v2[ alpha=0.35 ] + BOX[dropout=0.2, input_shape=96x64x3,classes=10]"
    model = registry.resolve(text)
    assert model.label == (
        "MobileNetV2[alpha=0.35]+box[classes=10,dropout=0.2,input_shape=96x64x3]"
    )
    assert model.text == text
    assert (model.task, model.input_shape, model.classes) == ("localization", (96, 64, 3), 10)
    assert model.stated == {"input_shape", "classes"}
    assert model.fixed == frozenset()
    assert model.min_size == registry.resolve("MobileNetV2").min_size
    assert (model.is_trained, model.published()) == (False, {})
    assert registry.resolve(model.label).label == model.label
    assert registry.resolve(model.label).identity() == model.identity()


def test_defaults_are_those_of_the_backbone() -> None:
    model = registry.resolve("BasicCNN+box")
    assert (model.label, model.input_shape, model.classes) == ("BasicCNN+box", (28, 28, 1), 10)
    assert model.stated == frozenset()
    assert registry.resolve("BasicCNN+box[input_shape=28x28x1,classes=10]").label == model.label
    assert registry.resolve("BasicCNN+box[input_shape=28x28]").input_shape == (28, 28, 1)


def test_the_identity_has_that_of_the_backbone_inside() -> None:
    found = registry.resolve("LeNet5[modern=true]+box[classes=3]").identity()
    assert found["name"] == "LeNet5[modern=true]+box"
    assert (found["classes"], found["input_shape"]) == (3, [32, 32, 1])
    assert found["parameters"] == {"dropout": 0.0}
    assert found["backbone"]["name"] == "LeNet5"
    assert found["backbone"]["parameters"]["modern"] is True
    assert not {"classes", "input_shape"} & found["backbone"].keys()


def test_the_identity_follows_a_users_source(nets: Path) -> None:
    before = registry.resolve("nets:net+box", [nets]).identity()
    (nets / "nets.py").write_text(NETS.replace("width=2", "width=2 "))
    assert registry.resolve("nets:net+box", [nets]).identity() != before


def test_images_are_preprocessed_for_the_backbone() -> None:
    images = np.full((1, 32, 32, 3), 255, np.float32)
    model = registry.resolve("MobileNetV2+box[input_shape=32x32x3]")
    np.testing.assert_array_equal(model.preprocess(images), np.ones_like(images))


def test_head_layers_are_those_of_the_head() -> None:
    with weightless(registry.resolve("LeNet5+box[dropout=0.5]")) as network:
        layers = registry.resolve("LeNet5+box").head_layers(network)
        assert {layer.name.removeprefix(PREFIX) for layer in layers} == {
            "pool", "dropout", "boxes", "classes",
        }  # fmt: skip
    with weightless(registry.resolve("LeNet5")) as network:
        assert registry.resolve("LeNet5").head_layers(network) == []


def test_without_its_top_a_model_is_the_bare_backbone() -> None:
    with weightless(registry.resolve("LeNet5+box"), include_top=False) as network:
        assert network.output_shape == (None, 1, 1, 120)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("LeNet5+bx", "unknown head 'bx' (did you mean 'box'?)"),
        ("LeNet+box", "unknown model 'LeNet'"),
        ("LeNet5+box[drop=0.1]", "LeNet5+box takes no parameter 'drop' (did you mean 'dropout'?)"),
        ("LeNet5+box[dropout=high]", "the parameter dropout=high should be a number"),
        ("LeNet5+box[modern=true]", "LeNet5+box takes no parameter 'modern'"),
        ("LeNet5[dropout=0.1]+box", "LeNet5 takes no parameter 'dropout'"),
        ("LeNet5+box[classes=0]", "classes=0 is not a number of classes"),
        (
            "LeNet5[classes=3]+box[dropout=0.1]",
            "'classes' belongs to the whole network in 'LeNet5[classes=3]+box[dropout=0.1]' "
            "(write LeNet5+box[classes=3,dropout=0.1])",
        ),
        (
            "LeNet5[input_shape=64x64x1,modern=true]+box",
            "(write LeNet5[modern=true]+box[input_shape=64x64x1])",
        ),
        (
            "LeNet5[classes=3]+box[classes=4]",
            "'classes' is given twice in 'LeNet5[classes=3]+box[classes=4]' "
            "(write LeNet5+box[classes=4])",
        ),
        (
            "MobileNetV2+box[input_shape=16x16x3]",
            "MobileNetV2 cannot be built at 16x16x3 (its smallest size is 32x32)",
        ),
        ("LeNet5+box+box", "'LeNet5+box+box' has two heads (write LeNet5+box)"),
        ("+box", "unknown model '+box' (a head needs a backbone: MobileNetV2+box)"),
        ("box", "unknown model 'box' (a head needs a backbone: MobileNetV2+box)"),
    ],
)
def test_a_mistake_in_a_name_with_a_head_is_refused_in_one_line(text: str, words: str) -> None:
    assert words in refusal(text)


def test_a_users_builder_takes_a_head(nets: Path) -> None:
    model = registry.resolve("nets:net[width=3]+box[input_shape=8x8x2]", [nets])
    assert model.label == "nets:net[width=3]+box[input_shape=8x8x2]"
    with weightless(model) as network:
        assert network.count_params() == 9 * 2 * 3 + 3 + (3 + 1) * (4 + 5)


def test_a_builder_gets_what_it_demands_from_the_last_brackets(nets: Path) -> None:
    assert "nets:demanding needs input_shape and classes" in refusal("nets:demanding+box", nets)
    model = registry.resolve("nets:demanding+box[input_shape=8x8x1,classes=3]", [nets])
    with weightless(model) as network:
        assert network.count_params() == 9 * 2 + 2 + (2 + 1) * (4 + 3)


def test_the_classes_may_be_the_heads_alone(nets: Path) -> None:
    assert refusal("nets:own_input+box", nets) == (
        "nets:own_input+box needs classes (write nets:own_input+box[classes=...])"
    )
    model = registry.resolve("nets:own_input+box[classes=3]", [nets])
    assert (model.input_shape, model.fixed) == ((), {"input_shape"})
    with weightless(model) as network:
        assert network.count_params() == 9 * 2 + 2 + (2 + 1) * (4 + 3)


def test_an_input_that_is_found_by_building_leaves_the_classes_as_stated(nets: Path) -> None:
    from cnnbench.execution.model_interface import resolve_interface

    model = resolve_interface(registry.resolve("nets:own_input+box[classes=3]", [nets]))
    assert (model.input_shape, model.classes) == ((16, 12, 1), 3)
    with weightless(model) as network:  # type: ignore[arg-type]
        assert network.input_shape == (None, 16, 12, 1)


def test_a_subclassed_backbone_is_called_on_the_input_of_the_whole(nets: Path) -> None:
    model = registry.resolve("nets:Subclassed+box[input_shape=8x8x1,classes=2]", [nets])
    with weightless(model) as network:
        assert network.count_params() == 9 * 3 + 3 + (3 + 1) * (4 + 2)


def test_a_backbone_that_cannot_leave_its_top_off_is_refused_when_planning(nets: Path) -> None:
    assert refusal("nets:whole_only+box", nets) == (
        "nets:whole_only cannot leave its top off, which +box needs "
        "(the head needs a builder with a parameter 'include_top')"
    )
    registry.resolve("LeNet5").build().save(nets / "a+b.keras")
    assert refusal("a+b.keras+box", nets).startswith("a+b.keras cannot leave its top off")


def test_a_backbone_that_gives_vectors_is_refused_when_built(nets: Path) -> None:
    model = registry.resolve("nets:vectors+box", [nets])
    with pytest.raises(UserError) as caught, weightless(model):
        pass
    assert str(caught.value).startswith("nets:vectors+box: its head needs feature maps")
    assert "gives ?x5" in str(caught.value)


def test_a_registered_name_resolves_again_from_the_text(nets: Path) -> None:
    source = NETS.replace("def net", "import cnnbench\n\n\n@cnnbench.register('My')\ndef net")
    (nets / "nets.py").write_text(source)
    model = registry.resolve("my+box[classes=2]", [nets])
    assert (model.label, model.text) == ("My+box[classes=2]", "my+box[classes=2]")
    assert registry.resolve(model.text, [nets]).identity() == model.identity()


def test_a_builder_that_only_this_process_knows_is_written_out(
    nets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = nets / "nets.py"
    monkeypatch.setattr(registered, "_in_this_process", {"Mine": f"{file}:net"})
    assert registry.resolve("mine+box[classes=2]").text == f"{file}:net+box[classes=2]"


def test_every_head_is_described() -> None:
    for name, head in HEADS.items():
        assert named.parse(name).name == name
        assert head.task
        assert head.summary[:1].islower()
        assert not head.summary.endswith(".")
