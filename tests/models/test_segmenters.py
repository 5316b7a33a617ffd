"""Named networks for segmentation, and torchvision's, against papers and published figures."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from cnnbench import analysis
from cnnbench.models import registry
from tests.conftest import ROOT
from tests.models.built import weightless

AUXILIARY = 9 * 1024 * 256 + 2 * 256 + (256 + 1) * 21
"""Parameters of torchvision's auxiliary head on the 1,024 maps of the third stage.

A 3x3 convolution with 256 filters, batch normalisation, and 21 class scores.
"""
AUXILIARY_MACS = 65 * 65 * (9 * 1024 * 256 + 256 * 21)
RESNET = 25_557_032 - (2048 + 1) * 1000  # without its classifier


def metrics(name: str, **overrides: Any) -> dict[str, float]:
    with weightless(registry.resolve(name), **overrides) as network:
        found = analysis.inspect(network).metrics
    assert found["uncounted_ops"] == 0
    return dict(found)


def at_520(name: str) -> dict[str, float]:
    return metrics(f"{name}[input_shape=520x520x3,classes=21]")


def test_fcn_on_resnet_equals_torchvisions_with_its_auxiliary_head() -> None:
    """35,322,218 parameters and 152.717 G, fcn_resnet50."""
    found = at_520("ResNet50V1_5+fcn")
    head = 9 * 2048 * 512 + 2 * 512 + (512 + 1) * 21
    assert found["trainable_params"] == RESNET + head == 32_957_013
    assert found["trainable_params"] + AUXILIARY == 35_322_218
    assert round((found["macs"] + AUXILIARY_MACS) / 1e9, 3) == 152.717


@pytest.mark.slow
def test_deeplabv3_on_resnet_equals_torchvisions_with_its_auxiliary_head() -> None:
    """42,004,074 parameters and 178.722 G, deeplabv3_resnet50."""
    found = at_520("ResNet50V1_5+deeplabv3")
    pointwise = 2048 * 256 + 2 * 256
    rates = 3 * (9 * 2048 * 256 + 2 * 256)
    after = 5 * 256 * 256 + 2 * 256 + 9 * 256 * 256 + 2 * 256 + (256 + 1) * 21
    head = 2 * pointwise + rates + after  # twice: the 1x1 convolution and the pooled branch
    assert found["trainable_params"] == RESNET + head == 39_638_869
    assert found["trainable_params"] + AUXILIARY == 42_004_074
    assert round((found["macs"] + AUXILIARY_MACS) / 1e9, 3) == 178.722


def test_lraspp_on_mobilenet_equals_torchvisions() -> None:
    """3,221,538 parameters and 2.086 G, lraspp_mobilenet_v3_large; no auxiliary head."""
    found = at_520("MobileNetV3Large+lraspp")
    backbone = 5_483_032 - (960 + 1) * 1280 - (1280 + 1) * 1000
    head = 2 * 960 * 128 + 2 * 128 + (128 + 1) * 21 + (40 + 1) * 21
    assert found["trainable_params"] == backbone + head == 3_221_538
    assert round(found["macs"] / 1e9, 3) == 2.086


def test_lraspp_reads_the_narrow_maps_at_a_stride_of_8() -> None:
    """40 channels as in torchvision, not the 240 of the expansion in the next unit."""
    model = registry.resolve("MobileNetV3Large+lraspp[input_shape=64x64x3,classes=21]")
    with weightless(model) as network:
        low = network.get_layer("task_head_score_low").input.shape
        high = network.get_layer("task_head_conv_conv").input.shape
        assert (tuple(low), tuple(high)) == ((None, 8, 8, 40), (None, 4, 4, 960))


@pytest.mark.slow
def test_gates_do_not_count_as_the_end_of_a_unit() -> None:
    """In Keras 2 a hard swish is a product, which follows the expansion of 240 channels."""
    program = (
        "from cnnbench.models import registry; from tests.models.built import weightless\n"
        "m = registry.resolve('MobileNetV3Large+lraspp[classes=3]')\n"
        "with weightless(m) as net: print(net.get_layer('task_head_score_low').input.shape[-1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"}, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "40"


def test_unet_counts_equal_those_of_its_figure() -> None:
    """arXiv:1505.04597, fig. 1: pairs of 3x3 convolutions, up-convolutions of 2x2, a 1x1."""
    widths = (64, 128, 256, 512, 1024)
    down = sum(
        (9 * a + 1) * b + (9 * b + 1) * b for a, b in zip((1, *widths), widths, strict=False)
    )
    up = sum(
        (4 * 2 * w + 1) * w + (9 * 2 * w + 1) * w + (9 * w + 1) * w for w in (64, 128, 256, 512)
    )
    assert metrics("UNet")["params"] == down + up + (64 + 1) * 2 == 31_030_658
    assert metrics("UNet[input_shape=32x32x1]")["params"] == 31_030_658


def test_unet_has_23_convolutional_layers() -> None:
    """Sec. 2: "In total the network has 23 convolutional layers"."""
    with weightless(registry.resolve("UNet[width=2,input_shape=64x64x1]")) as network:
        kinds = [type(one).__name__ for one in network.layers]
    assert kinds.count("Conv2D") + kinds.count("Conv2DTranspose") == 23
    assert kinds.count("Conv2DTranspose") == 4


def test_fcn8s_counts_equal_those_by_hand() -> None:
    """About 134 M parameters in arXiv:1411.4038, table 1; the upsampling is not counted there."""
    vgg, fc6, fc7 = 14_714_688, (49 * 512 + 1) * 4096, (4096 + 1) * 4096
    scores = sum((maps + 1) * 21 for maps in (4096, 512, 256))
    upsampling = (2 * 4**2 + 16**2) * 21**2
    assert vgg + fc6 + fc7 == 134_260_544
    assert metrics("FCN8s")["params"] == 134_260_544 + scores + upsampling == 134_489_759


def test_field_of_fc7_equals_that_of_the_paper() -> None:
    """Table 1: FCN-VGG16 sees 404 px at a stride of 32."""
    with weightless(registry.resolve("FCN8s"), include_top=False) as network:
        assert network.output_shape == (None, 16, 16, 4096)
        assert analysis.inspect(network).metrics["receptive_field_px"] == 404


@pytest.mark.parametrize("size", ["500x500x3", "75x97x1"])
def test_fcn8s_enlarges_to_the_fourth_and_third_pooling_and_to_the_image(size: str) -> None:
    height, width, _ = map(int, size.split("x"))
    model = registry.resolve(f"FCN8s[input_shape={size},classes=5,width=8]")
    with weightless(model) as network:
        assert network.output_shape == (None, height, width, 5)
        for name, pool in (("sum_pool4", "block4_pool"), ("sum_pool3", "block3_pool")):
            sizes = [network.get_layer(layer).output.shape[1:3] for layer in (name, pool)]
            assert sizes[0] == sizes[1]
        strides = [
            network.get_layer(name).strides[0] for name in ("up_pool4", "up_pool3", "up_image")
        ]
        assert strides == [2, 2, 8]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("UNet[input_shape=15x40x1]", "its smallest size is 16x16"),
        ("UNet[width=0]", "width must be at least 1"),
        ("FCN8s[input_shape=40x31x3]", "its smallest size is 32x32"),
        ("FCN8s[width=0]", "width must be at least 1"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(text: str, words: str) -> None:
    from cnnbench.errors import UserError

    with pytest.raises(UserError) as caught:
        registry.resolve(text).build()
    assert words in str(caught.value)


def test_torchvision_publishes_the_quality_of_its_own_weights() -> None:
    found = registry.resolve("resnet50v1-5+deeplabv3[input_shape=520x520x3,classes=21]")
    assert found.published() == {
        "published_segmentation_miou": 0.664,
        "published_pixel_accuracy": 0.924,
    }
    other = registry.resolve("ResNet50V1_5+deeplabv3[input_shape=512x512x3,classes=21]")
    assert not other.published()
