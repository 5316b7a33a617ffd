"""Networks whose latency follows from their operations exactly, and runs that measured them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cnnbench.environment import environment_id
from cnnbench.forecast import costs
from cnnbench.forecast.counts import Shape
from cnnbench.forecast.fitting import TrainingSet
from cnnbench.forecast.operations import Operation
from cnnbench.models.model import Model
from tests.records import FACTS, LITERT, Book

# Two of each family of the catalogue.
NAMES = (
    *("ResNet18", "ResNet34", "VGG11", "VGG13", "EfficientNetB0", "EfficientNetB1"),
    *("MobileNetV3Small", "MobileNetV3Large", "DenseNet121", "DenseNet169"),
    *("SEResNet34", "SEResNet50", "ResNeXt50", "ResNeXt101"),
)
PER_MAC, PER_CALL = 2e-11, 5e-4
ENVIRONMENT = environment_id(FACTS)


def operations(name: str) -> list[Operation]:
    """Return operations whose number and size depend on the name alone."""
    random = np.random.default_rng(sum(map(ord, name)))
    return [
        Operation(
            "convolution", int(macs), reads=1000, writes=1000, weights=100, inputs=16, outputs=32,
            window=1, positions=49,
        )
        for macs in random.integers(10**6, 10**8, size=int(random.integers(5, 60)))
    ]  # fmt: skip


def seconds(name: str) -> float:
    """Return the latency of a network: its MACs and its calls."""
    found = operations(name)
    return PER_MAC * sum(one.macs for one in found) + PER_CALL * len(found)


def count(model: Model, shape: Shape) -> list[Operation]:
    """Count without building anything."""
    return operations(model.label)


def table(names: tuple[str, ...] = NAMES) -> TrainingSet:
    """Return the networks with their exact latencies; the family is the name without numbers."""
    return TrainingSet(
        names=names,
        families=tuple(name.rstrip("0123456789") for name in names),
        costs=np.array([costs.costs(operations(name)) for name in names]),
        macs=np.array([float(costs.macs(operations(name))) for name in names]),
        seconds=np.array([seconds(name) for name in names]),
    )


def add(book: Book, name: str, value: float) -> Book:
    """Add a latency without noise or drift."""
    for repeat in range(2):
        metrics = {"latency_location_s": value, "latency_p50_s": value, "reference_s": 0.001}
        book.record(
            name, LITERT, repeat, metrics,
            samples={"latency_s": [value]}, details={"is_disturbed": False},
        )  # fmt: skip
    return book


def write_runs(results: Path, names: tuple[str, ...] = NAMES) -> Path:
    """Write two runs that measured the networks on the machine ``FACTS``, half each."""
    for place, part in enumerate((names[::2], names[1::2])):
        book = Book(seed=place)
        for name in part:
            add(book, name, seconds(name))
        book.write(results / f"suite{place}" / "20260101T000000Z")
    return results
