"""The table of what heads cost, on the page on detection, is what is counted."""

from __future__ import annotations

import pytest

from cnnbench import analysis
from cnnbench.models import registry
from cnnbench.models.heads.coding import LAYER, AnchorCoding, GridCoding, of_json
from tests.conftest import ROOT
from tests.models.built import weightless

PAGE = ROOT / "docs" / "detection.md"
BACKBONES = {
    "BasicCNN[width=0.33,batch_norm=true]": "classes=10,input_shape=112x112x1",
    "MobileNetV2": "classes=20,input_shape=320x320x3",
}
HEADS = ("yolo", "ssdlite", "retina", "windows")
NAMES = [f"{name}+{head}[{whole}]" for name, whole in BACKBONES.items() for head in HEADS]


def row(name: str) -> str:
    """Return the row of one network: its boxes, and parameters and MACs of the whole."""
    with weightless(registry.resolve(name)) as network:
        coding = of_json(network.get_layer(LAYER).coding)
        metrics = analysis.inspect(network).metrics
    if isinstance(coding, GridCoding):
        boxes = coding.rows * coding.columns * coding.boxes
    else:
        assert isinstance(coding, AnchorCoding)
        boxes = len(coding.anchors())
    numbers = (boxes, metrics["params"], metrics["macs"], metrics["receptive_field_px"])
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
