"""The table of ``cnnbench models``: what fits into a terminal, limits and orders."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cnnbench.errors import UserError
from cnnbench.models import listing, registry
from cnnbench.models.catalog import ENTRIES, Entry
from cnnbench.models.heads import HEADS
from tests.models import counted

SMALL = replace(ENTRIES["LeNet5"], name="Small", macs=100, params=2_000)
LARGE = replace(SMALL, name="Large", macs=9_000_000, params=1_000, takes=("alpha", "modern"))
UNKNOWN = Entry.of_user("Mine", "mine:net")


@pytest.mark.parametrize("width", [80, 100, 120, 160, 200])
def test_the_catalogue_fits_into_a_terminal(width: int) -> None:
    entries = registry.entries()
    lines = listing.table(entries, width)
    assert max(map(len, lines)) <= width
    assert lines[0].split()[:7] == [
        "Model",
        "MACs",
        "Float32",
        "Params",
        "Input",
        "Task",
        "Weights",
    ]
    rows = {line.split()[0]: line for line in lines[1:] if line}
    for entry in entries:
        assert "imagenet" in rows[entry.name] or "none" in rows[entry.name]


def test_a_terminal_of_120_columns_shows_parameters_and_names_what_it_leaves_out() -> None:
    lines = listing.table(registry.entries(), 120)
    assert next(line for line in lines if line.startswith("MobileNetV2 ")).endswith(" alpha")
    assert "Not shown: family, paper;" in " ".join(lines)


def test_few_models_are_described_below_a_narrow_table() -> None:
    assert listing.table([LARGE], 72) == [
        "Model  MACs  Float32  Params  Input    Task            Weights",
        "Large   9 M     4 kB   1,000  32x32x1  classification  none",
        "",
        "Large: takes alpha, modern; of the family LeNet; Gradient-Based Learning",
        "Applied to Document Recognition, doi:10.1109/5.726791, sec. II.B",
        "",
        "Float32: estimated file size, 4 bytes a parameter. Every model takes",
        "input_shape and classes.",
    ]


def test_a_long_task_is_wrapped_where_weights_would_be_left_out() -> None:
    lines = listing.table([replace(SMALL, name="M" * 17, task="instance_segmentation")], 74)
    assert [line.split()[-2:] for line in lines[1:2]] == [["instance_", "none"]]
    assert lines[2].strip() == "segmentation"


def test_without_a_width_each_entry_is_one_line_with_all_columns() -> None:
    lines = listing.table([SMALL, LARGE])
    assert len(lines) == 5
    assert lines[0].split()[-3:] == ["Takes", "Family", "Paper"]
    assert lines[2].endswith("sec. II.B")


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_of_heads_fits_into_a_terminal(width: int) -> None:
    lines = listing.head_table(HEADS, width)
    assert max(map(len, lines)) <= width
    assert (
        " ".join(" ".join(lines).split()).count("+yolo detection a grid of cells, each with") == 1
    )


def test_limits_select_and_unknown_counts_are_left_out() -> None:
    everything = [SMALL, LARGE, UNKNOWN]
    assert listing.within(everything, {}) == (everything, [])
    found = listing.within(everything, {"max": ["params=1k", "file=4kB"], "min": ["macs=1M"]})
    assert found == ([LARGE], [UNKNOWN])
    assert listing.left_out([UNKNOWN]) == "1 model left out, as no count is known: Mine"


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("macs", ["Small", "Large", "Mine"]),
        ("params", ["Large", "Small", "Mine"]),
        ("file", ["Large", "Small", "Mine"]),
        ("file_bytes", ["Large", "Small", "Mine"]),
        ("name", ["Large", "Mine", "Small"]),
    ],
)
def test_orders_put_the_lowest_first_and_the_unknown_last(order: str, names: list[str]) -> None:
    assert [entry.name for entry in listing.by(order, [UNKNOWN, SMALL, LARGE])] == names


def test_rejects_an_unknown_order() -> None:
    with pytest.raises(UserError, match=r"--sort: 'macz' .*did you mean 'macs'"):
        listing.by("macz", [])


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.name)
def test_the_catalogue_names_the_parameters_of_every_builder(entry: Entry) -> None:
    assert entry.takes == counted.takes(entry.name), "python -m tests.models.counted"


FAST = {
    "BasicCNN", "LeNet5", "AlexNet", "SqueezeNet", "ResNet18", "VGG16", "MobileNet", "MobileNetV2",
    "MobileNetV3Small", "ShuffleNetV2", "SSDLite320", "UNet",
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in FAST else pytest.mark.slow) for n in ENTRIES],
)
def test_the_catalogue_has_the_counts_of_every_network(name: str) -> None:
    entry = ENTRIES[name]
    found = {"params": entry.params, "macs": entry.macs}
    assert found == counted.counts(name), "python -m tests.models.counted"
