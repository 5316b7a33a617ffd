"""``cnnbench show`` of models and images: filters, feature maps, single layers, augmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from sklearn.datasets import load_sample_image

from cnnbench.api import example_sheets, map_sheets, sheets
from cnnbench.api.show import kind_of, show
from cnnbench.cli.show import command
from cnnbench.data.augmentation import Augment
from cnnbench.errors import UserError
from cnnbench.models import feature_maps, registry

GAP = 6  # px around the pictures of a sheet


def pixels_of(file: Path) -> np.ndarray:
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


def line_image(tmp_path: Path) -> Path:
    """Write a black picture of 32 px with a white vertical line."""
    pixels = np.zeros((32, 32), np.uint8)
    pixels[:, 20] = 255
    Image.fromarray(pixels).save(tmp_path / "line.png")
    return tmp_path / "line.png"


def test_the_sample_pictures_are_those_of_scikit_learn() -> None:
    found = map_sheets.read(["china.jpg", "flower.jpg"], None)
    expected = [load_sample_image(name) for name in found.names]
    assert np.array_equal(found.images, np.stack(expected))


def test_a_file_of_the_same_name_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (9, 8)).save("china.jpg")
    assert map_sheets.read(["china.jpg"], None).images.shape == (1, 8, 9, 3)


def test_a_vertical_filter_keeps_vertical_lines(tmp_path: Path) -> None:
    file, out = line_image(tmp_path), tmp_path / "maps.png"
    arguments = [str(file), "--filter", "vertical", "--filter", "horizontal", "--out", str(out)]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{out}: 1 image, feature maps of filters of 7 x 7 px\n"
    shown = pixels_of(out)[GAP : GAP + 160, :, 0]
    image, vertical, horizontal = (
        shown[::5, GAP + place * 166 : GAP + place * 166 + 160 : 5] for place in range(3)
    )
    assert image[:, 20].tolist() == [255] * 32
    # Seven ones from top to bottom: the line stays, and dims where the filter leaves the image.
    assert vertical[3:-3, 20].tolist() == [255] * 26 and vertical[0, 20] == round(255 * 4 / 7)
    assert (np.delete(vertical, 20, axis=1) == 0).all()
    # Seven from left to right: the line is blurred over seven columns.
    assert (horizontal[:, 17:24] == 255).all() and (horizontal[:, 24:] == 0).all()


def test_a_pooling_layer_gives_a_smaller_picture_in_colour(tmp_path: Path) -> None:
    out = tmp_path / "pooled.png"
    found = show("china.jpg", out, images=["flower.jpg"], layer="AveragePooling2D(61)")
    assert found.caption == "AveragePooling2D(61) on 2 images: 2x7x10x3"
    cell = 22 * 10  # each pixel enlarged
    first = pixels_of(out)[GAP : GAP + cell : 22, GAP : GAP + cell : 22]
    china = load_sample_image("china.jpg")
    expected = china[:427].reshape(7, 61, 640, 3)[:, :, :610].reshape(7, 61, 10, 61, 3)
    assert np.abs(first[:7] - expected.mean(axis=(1, 3))).max() <= 0.51


def test_filters_of_a_model_are_its_kernels(tmp_path: Path) -> None:
    found = show("BasicCNN", tmp_path / "k.png", count=2)
    assert found.caption == "filters of layer 'block1_conv1' of BasicCNN: 7x7x1x64"
    assert found.notes == ("the weights of BasicCNN are random; give --weights",)
    feature_maps.set_seed()
    kernel = registry.resolve("BasicCNN", []).build().get_layer("block1_conv1").kernel
    expected = sheets.stretched(np.moveaxis(np.asarray(kernel)[..., 0, :2], -1, 0))
    shown = pixels_of(tmp_path / "k.png")[..., 0]
    step = 160 // 7
    for number in range(2):
        left = GAP + number * (step * 7 + GAP)
        seen = shown[GAP : GAP + step * 7 : step, left : left + step * 7 : step]
        assert np.array_equal(seen, expected[number])


def test_feature_maps_are_those_of_the_trained_file(tmp_path: Path) -> None:
    import tensorflow as tf

    inputs = tf.keras.Input((32, 32, 1))
    double = tf.keras.layers.Conv2D(1, 1, use_bias=False, name="negative")
    network = tf.keras.Model(inputs, tf.keras.layers.Flatten()(double(inputs)))
    double.set_weights([np.full((1, 1, 1, 1), -2.0)])
    network.save(tmp_path / "net.keras")
    file = line_image(tmp_path)
    found = show(str(tmp_path / "net.keras"), tmp_path / "maps.png", images=[file])
    assert found.caption == "feature maps of layer 'negative' of net.keras: 1x32x32x1"
    assert found.notes == ()
    shown = pixels_of(tmp_path / "maps.png")[GAP : GAP + 160 : 5, GAP : GAP + 160 : 5, 0]
    assert shown[:, 20].tolist() == [0] * 32 and (np.delete(shown, 20, axis=1) == 255).all()


def test_filters_of_a_transposed_convolution_have_its_inputs_as_channels() -> None:
    import tensorflow as tf

    layer = tf.keras.layers.Conv2DTranspose(5, 2)
    layer.build((None, 4, 4, 3))
    assert feature_maps.filters(layer).shape == (2, 2, 3, 5)


def test_a_subclassed_network_has_no_maps_to_show() -> None:
    import tensorflow as tf

    class Net(tf.keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first = tf.keras.layers.Conv2D(2, 3, name="first")

        def call(self, inputs: object) -> object:
            return self.first(inputs)

    network, inputs = Net(), np.zeros((1, 8, 8, 1), np.float32)
    network(inputs)
    with pytest.raises(UserError, match="no graph with one output of 'first'"):
        feature_maps.maps(network, network.first, inputs)


def test_variants_are_those_of_the_training_and_the_same_each_time() -> None:
    images = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    found = example_sheets.variants(images, Augment(flip="horizontal"))
    again = example_sheets.variants(images, Augment(flip="horizontal"))
    assert [one.tolist() for one in found] == [one.tolist() for one in again]
    mirrored = images[:, :, ::-1]
    kinds = {one.tobytes() for one in found}
    assert kinds == {images.tobytes(), mirrored.tobytes()}


@pytest.mark.parametrize("name", ["scenes[px=32]", "digits"])
def test_each_example_begins_a_row_of_its_variants(name: str, tmp_path: Path) -> None:
    found = show(name, tmp_path / "a.png", count=2, augment="flip=horizontal,contrast=0.5")
    assert found.caption.endswith(" px, each with 5 variants")
    assert found.picture.width == 6 * (224 + GAP) + GAP  # 32 and 8 divide 224
    pixels = np.asarray(found.picture)
    plain = np.asarray(show(name, tmp_path / "b.png", count=2).picture)
    example = np.s_[GAP : GAP + 224, GAP : GAP + 224]
    assert np.array_equal(pixels[example], plain[example])
    others = [pixels[GAP : GAP + 224, left : left + 224] for left in range(236, 1200, 230)]
    assert len(others) == 5 and all((one != pixels[example]).any() for one in others)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("scenes[px=64]", "data set"),
        ("folder:x.png", "data set"),
        ("LeNet5", "model"),
        ("BasicCNN+yolo", "model"),
        ("flower.jpg", "image"),
    ],
)
def test_a_name_says_what_it_is(name: str, expected: str) -> None:
    assert kind_of(name) == expected


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("flowers.jpg", {}, r"no image 'flowers.jpg' \(did you mean 'flower.jpg'\?\)"),
        ("LeNet6", {}, r"unknown model 'LeNet6' \(did you mean 'LeNet5'\?\)"),
        ("LeNet5", {"split": "test"}, "a model takes no split .split is for a data set."),
        ("scenes", {"layer": "x"}, "a data set takes no layer .* a model or an image"),
        ("LeNet5", {"layer": "convolution"}, "has no layer 'convolution'"),
        ("LeNet5", {"layer": "flatten"}, "'flatten' has no filters"),
        ("LeNet5", {"layer": "flatten", "images": ["china.jpg"]}, "not a stack of feature maps"),
        ("LeNet5", {"weights": "no.h5"}, "no weights file no.h5"),
        ("china.jpg", {"layer": "Konv(1)"}, "unknown layer 'Konv'"),
        ("china.jpg", {"augment": "flip=up"}, "augment: Input should be 'none', 'horizontal'"),
        ("china.jpg", {"augment": "flap=1"}, r"unknown setting 'flap' \(did you mean 'flip'\?\)"),
        ("china.jpg", {"filters": ["diagonal"]}, "unknown filter 'diagonal'"),
        ("china.jpg", {"filters": ["vertical"], "layer": "ReLU"}, "filters and layer exclude"),
        ("scenes", {"size": (70, 120)}, "examples are square"),
        ("scenes", {"count": 0}, "count: 0 is no number of pictures"),
        ("china.jpg", {"count": 3}, r"images take no count \(count limits the maps of a layer"),
        ("china.jpg", {"count": 3, "filters": ["vertical"]}, "images with filters take no count"),
        ("china.jpg", {"count": 3, "augment": "flip=horizontal"}, "images with augment take no"),
        ("china.jpg", {"layer": ""}, "layer"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_line(
    name: str, options: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=complaint):
        show(name, tmp_path / "a.png", **options)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", ["0", "70x", "axb", "1x2x3", "5000"])
def test_a_size_is_a_side_or_two(size: str, tmp_path: Path) -> None:
    arguments = ["china.jpg", "--size", size, "--out", str(tmp_path / "a.png")]
    done = CliRunner().invoke(command, arguments)
    assert isinstance(done.exception, UserError) and "is not a size" in str(done.exception)


def test_a_size_crops_images(tmp_path: Path) -> None:
    found = show("china.jpg", tmp_path / "a.png", size=(70, 120))
    assert found.caption == "1 image, 70 x 120 px"
    assert found.picture.size[0] == 120 + 2 * GAP and found.picture.size[1] > 70 + 2 * GAP
