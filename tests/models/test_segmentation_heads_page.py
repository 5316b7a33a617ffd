"""The table of what networks for segmentation cost, on their page, is what is counted."""

from __future__ import annotations

import pytest

from cnnbench import analysis
from cnnbench.models import registry
from tests.conftest import ROOT
from tests.models.built import weightless

PAGE = ROOT / "docs" / "segmentation.md"
BACKBONES = {
    "BasicCNN[width=0.33,batch_norm=true]": "classes=11,input_shape=112x112x1",
    "MobileNetV2": "classes=21,input_shape=224x224x3",
}
HEADS = ("fcn32s", "fcn16s", "fcn8s", "unet", "fcn", "deeplabv3", "lraspp")
NAMES = [f"{name}+{head}[{whole}]" for name, whole in BACKBONES.items() for head in HEADS]
NAMES += [f"{name}[classes=21,input_shape=520x520x3]" for name in (
    "ResNet50V1_5+fcn", "ResNet50V1_5+deeplabv3", "MobileNetV3Large+lraspp",
)]  # fmt: skip
NAMES += ["UNet", "FCN8s"]


def row(name: str) -> str:
    """Return the row of one network: trainable parameters, MACs, receptive field."""
    with weightless(registry.resolve(name)) as network:
        metrics = analysis.inspect(network).metrics
    numbers = (metrics["trainable_params"], metrics["macs"], metrics["receptive_field_px"])
    return f"| `{name}` | {' | '.join(f'{number:,.0f}' for number in numbers)} |"


@pytest.mark.parametrize(
    "name",
    [
        *NAMES[: len(HEADS)],
        *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[len(HEADS) :]),
    ],
)
def test_the_row_of_a_network_is_counted(name: str) -> None:
    assert row(name) in PAGE.read_text("utf-8")


if __name__ == "__main__":
    print(*map(row, NAMES), sep="\n")
