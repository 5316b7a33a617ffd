"""``cnnbench predict``: images, class names, and invalid inputs."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cnnbench.cli.predict import command
from cnnbench.errors import UserError
from tests.processes import HANGS_AFTER_S

PHOTOGRAPHS = files("sklearn.datasets.images")
CHINA, FLOWER = (str(PHOTOGRAPHS / name) for name in ("china.jpg", "flower.jpg"))
SMALL = "SqueezeNet1_1[input_shape=32x32x3,classes=3]"

SCALING = """
import keras

L = keras.layers

def net(input_shape=(8, 8, 3)):
    layers = [L.Rescaling(1 / 255), L.Conv2D(2, 3), L.Flatten(), L.Dense(2, "softmax")]
    return keras.Sequential([keras.Input(input_shape), *layers])
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), env={"CNNBENCH_DATA": None})


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with seeded weights of `SMALL`."""
    import tensorflow as tf

    from cnnbench.models import registry

    tf.keras.utils.set_random_seed(3)
    network = registry.resolve(SMALL).build()
    *others, bias = network.get_weights()
    # Outputs that differ between images, and a final ReLU that is active.
    network.set_weights([*(1.3 * value for value in others), bias + 300])
    file = tmp_path_factory.mktemp("weights") / "seeded.weights.h5"
    network.save_weights(str(file))
    return file


def test_classifies_the_photographs_of_scikit_learn(weights: Path) -> None:
    from cnnbench.models import registry

    done = run(SMALL, CHINA, FLOWER, "--weights", str(weights), "--top", "2", "--json")
    china, flower = json.loads(done.stdout)
    assert (china["image"], flower["image"]) == (CHINA, FLOWER)
    assert len(china["classes"]) == len(flower["classes"]) == 2

    # Expected: the centred square, resized, minus ImageNet's mean colour.
    with Image.open(CHINA) as picture:
        left = (picture.width - picture.height) // 2
        square = picture.crop((left, 0, left + picture.height, picture.height))
        pixels = np.asarray(square.resize((32, 32), Image.Resampling.BILINEAR), np.float32)
    network = registry.resolve(SMALL).build(weights=weights)
    expected = network.predict(pixels[None] - [123.675, 116.28, 103.53], verbose=0)[0]
    assert np.ptp(expected) > 0.01
    for guess in china["classes"]:
        assert guess["name"] == f"class {guess['number']}"
        assert guess["probability"] == pytest.approx(expected[guess["number"]], abs=0.02)
    assert china["classes"][0]["number"] == expected.argmax()


def test_names_classes_from_a_file_most_probable_first(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("temple\ndaisy\nbridge\n", encoding="utf-8")
    done = run(SMALL, FLOWER, "--weights", str(weights), "--class-names", f"{tmp_path}/names.txt")
    first, *rows = done.stdout.splitlines()
    assert first == FLOWER
    shares = [float(re.fullmatch(r" +([\d.]+) %  (temple|daisy|bridge)", row)[1]) for row in rows]  # type: ignore[index]
    assert len(shares) == 3
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.2)


@pytest.mark.parametrize("axis", [0, 1])
def test_crops_the_centre_without_stretching(axis: int) -> None:
    from cnnbench.data import photographs

    # Red at both ends of the longer side, a green square in the middle: only green is left.
    picture = np.zeros((120, 360, 3), np.uint8)
    picture[:, :, 0], picture[:, 119:241] = 255, (0, 255, 0)
    buffer = io.BytesIO()
    Image.fromarray(picture if axis else picture.transpose(1, 0, 2)).save(buffer, "PNG")
    seen = photographs.decoded(buffer.getvalue(), 8, 8, 3).astype(int)
    np.testing.assert_allclose(seen, np.broadcast_to([0, 255, 0], seen.shape), atol=32)


def test_crops_to_the_aspect_ratio_of_the_input() -> None:
    from cnnbench.data import photographs

    # Thirds of red, green and blue: an input as wide as two of them ends in the middle of each.
    picture = np.zeros((120, 360, 3), np.uint8)
    for third in range(3):
        picture[:, 120 * third : 120 * (third + 1), third] = 255
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    seen = photographs.decoded(buffer.getvalue(), 8, 16, 3)
    assert seen.shape == (8, 16, 3)
    assert seen[4].argmax(-1).tolist() == [0] * 4 + [1] * 8 + [2] * 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((SMALL, "nowhere.jpg"), "nowhere.jpg: cannot be read: No such file or directory"),
        ((SMALL, __file__, "--weights", "x.h5"), f"{__file__}: cannot be read: not an image"),
        ((SMALL, CHINA, "--weights", "x.h5"), "--weights: no weights file x.h5 (put it at x.h5)"),
        (("MobileNetV9", CHINA), "unknown model 'MobileNetV9' (did you mean 'MobileNetV2'?)"),
        (
            ("LeNet5[input_shape=32x32x2]", CHINA),
            "the model takes images of 2 channels (image files give 1 or 3)",
        ),
        (
            (SMALL, CHINA, "--data-dir", "/nowhere"),
            "--data-dir: the data folder '/nowhere' does not exist (create it or correct the path",
        ),
        (("ResNet18", CHINA), "there are no ImageNet weights for ResNet18"),
    ],
)
def test_reports_a_mistake_in_one_line(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert done.exception is not None
    assert words in str(done.exception)
    assert "\n" not in str(done.exception)


def test_names_the_two_classes_of_a_single_sigmoid(tmp_path: Path) -> None:
    import keras

    layers = [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")]
    keras.Sequential(layers).save(tmp_path / "two.keras")
    (tmp_path / "names.txt").write_text("no\nyes\n")
    named = ("--class-names", str(tmp_path / "names.txt"))
    done = run(str(tmp_path / "two.keras"), CHINA, *named)
    assert done.exit_code == 0, done.exception
    assert {line.split()[-1] for line in done.stdout.splitlines()[1:]} == {"no", "yes"}
    (tmp_path / "names.txt").write_text("no\nyes\nperhaps\n")
    refused = run(str(tmp_path / "two.keras"), CHINA, *named)
    assert "3 names, but" in str(refused.exception) and "has 2 classes" in str(refused.exception)


def test_warns_of_inputs_scaled_twice_and_names_the_option(tmp_path: Path) -> None:
    import keras

    (tmp_path / "nets.py").write_text(SCALING)
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(2, 3), keras.layers.Flatten()]
    network = keras.Sequential([keras.Input((8, 8, 3)), *layers, keras.layers.Dense(2, "softmax")])
    network.save_weights(tmp_path / "own.weights.h5")
    arguments = (f"{tmp_path}/nets.py:net", CHINA, "--weights", f"{tmp_path}/own.weights.h5")
    done = run(*arguments)
    assert done.exit_code == 0, done.exception
    assert "inputs are scaled twice" in done.stderr and "--preprocessing none" in done.stderr
    assert run(*arguments, "--preprocessing", "none").stderr == ""


def test_rejects_outputs_that_are_not_finite(tmp_path: Path) -> None:
    import keras

    network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    network.add(
        keras.layers.Dense(3, "softmax", kernel_initializer=keras.initializers.Constant(np.nan))
    )
    network.save(tmp_path / "nan.keras")
    assert "are not finite" in str(run(str(tmp_path / "nan.keras"), CHINA).exception)


def test_rejects_damaged_images_and_decompression_bombs(tmp_path: Path, weights: Path) -> None:
    damaged, bomb = tmp_path / "damaged.keras", tmp_path / "bomb.png"
    damaged.write_bytes(b"PK\x03\x04" + bytes(50))
    assert "do not fit" in str(run(SMALL, CHINA, "--weights", str(damaged)).exception)
    Image.new("1", (20_000, 20_000)).save(bomb)
    found = run(SMALL, str(bomb), "--weights", str(weights)).exception
    assert isinstance(found, UserError)
    assert f"{bomb}: cannot be read: Image size (400000000 pixels) exceeds limit" in str(found)


def test_rejects_weights_of_another_network(weights: Path) -> None:
    done = run("LeNet5[input_shape=32x32x3,classes=3]", CHINA, "--weights", str(weights))
    assert f"the weights in {weights} do not fit LeNet5" in str(done.exception)


def test_a_failed_download_names_the_file_and_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    from cnnbench.errors import Unavailable
    from cnnbench.models import weights

    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{_closed_port()}")
    url = "https://weights.invalid/net.h5"
    with pytest.raises(Unavailable) as caught, weights.explain_failed_download("MyNet"):
        tf.keras.utils.get_file("mine.h5", url, cache_subdir="models", cache_dir=str(tmp_path))
    assert str(caught.value) == (
        "MyNet: mine.h5 is not cached and cannot be downloaded; "
        f"put it at {tmp_path / 'models' / 'mine.h5'} (from {url})"
    )


@pytest.mark.slow
def test_a_download_without_an_answer_times_out(tmp_path: Path) -> None:
    # The system accepts connections, but nothing answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = _in_shell(tmp_path, proxy, "MobileNetV2", CHINA)  # without a timeout this would hang
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"{name} is not cached and cannot be downloaded" in done.stderr
    assert f"put it at keras/models/{name} in the data folder" in done.stderr


@pytest.mark.slow
def test_classes_are_numbers_if_imagenets_names_are_missing(tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(0)
    file = tmp_path / "any.weights.h5"
    keras.applications.MobileNetV2(weights=None).save_weights(str(file))
    proxy = f"http://127.0.0.1:{_closed_port()}"
    done = _in_shell(tmp_path, proxy, "MobileNetV2", CHINA, "--weights", str(file))
    assert done.returncode == 0
    assert re.search(r"  \d\.\d %  class \d+\n", done.stdout)
    assert done.stderr.count("\n") == 1
    assert "put it at keras/models/imagenet_class_index.json in the data folder" in done.stderr


def _in_shell(data: Path, proxy: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cnnbench", "predict", *arguments, "--data-dir", str(data)],
        env={**os.environ, "https_proxy": proxy},
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_S,
    )


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
