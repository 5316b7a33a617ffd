"""The network of one's own in the documentation is the example, and the example runs."""

from __future__ import annotations

import re

from cnnbench.models import registry
from tests.conftest import ROOT
from tests.models.built import weightless

EXAMPLE = ROOT / "examples" / "own_network.py"


def test_the_page_shows_the_example_file() -> None:
    page = (ROOT / "docs" / "your_network.md").read_text(encoding="utf-8")
    section = re.search(r"^## A name of its own\n(.*?)^## ", page, re.DOTALL | re.MULTILINE)
    assert section is not None
    (block,) = re.findall(r"```python\n(.*?)```", section[1], re.DOTALL)
    assert block == EXAMPLE.read_text(encoding="utf-8")


def test_the_example_network_can_be_counted() -> None:
    from cnnbench.analysis import inspect
    from cnnbench.suite import suite

    loaded = suite.load(EXAMPLE.with_suffix(".yaml"), registry)
    assert "SmallResNet" in [model.label for model in loaded.models]
    with weightless(registry.resolve("SmallResNet", [EXAMPLE.parent])) as network:
        found = inspect(network)
    assert found.uncounted_ops == []
    # By hand: convolutions without bias, four numbers a channel of BatchNormalization.
    stem = 49 * 3 * 64 + 4 * 64
    units = [(64, 64, True), (64, 64, False), (64, 128, True), (128, 128, False)]
    body = sum(
        9 * c * f + 9 * f * f + 8 * f + (c * f + 4 * f if halves else 0) for c, f, halves in units
    )
    assert found.metrics["params"] == stem + body + 128 * 10 + 10
