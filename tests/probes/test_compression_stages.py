"""A float model that several variants pass through is trained once and shared by all of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from cnnbench.errors import JobFailed
from cnnbench.probes.compression import fine_tuning, networks, paths
from cnnbench.probes.compression.fine_tuning import FineTuning
from cnnbench.probes.compression.kernels import Kernel
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.compression.steps import Step
from cnnbench.probes.compression.steps.wrapping import SkippedLayers
from cnnbench.probes.compression.variants import Variant, parse
from cnnbench.probes.interface import Context
from tests.probes.tiny import Tiny


@pytest.mark.parametrize(
    ("variant", "stages", "shared"),
    [
        ("float32", [], 0),
        ("ptq-int8", [], 0),
        ("qat-int8", ["qat-int8"], 0),
        ("pruned-50", ["pruned-50"], 1),
        ("pruned-2x4+ptq-int8", ["pruned-2x4"], 1),
        ("clustered-8+qat-int8", ["clustered-8", "clustered-8+qat-int8"], 1),
        (
            "pruned-50+clustered-16+qat-int8",
            ["pruned-50", "pruned-50+clustered-16", "pruned-50+clustered-16+qat-int8"],
            2,
        ),
    ],
)
def test_stages_of_a_variant(variant: str, stages: list[str], shared: int) -> None:
    found = parse(variant).stages
    assert [str(stage) for stage in found] == stages
    assert sum(stage.steps[-1].gives_float_model for stage in found) == shared


@dataclass(frozen=True)
class FakeStep(Step):
    """Adds the number of calls so far to all weights: no two trainings give the same model."""

    name: str
    calls: Counter[str] = field(compare=False)
    fails: bool = False

    @classmethod
    def read(cls, word: str) -> Self | None:
        raise NotImplementedError

    def __str__(self) -> str:
        return self.name

    def covers(self, kernel: Kernel, variant: Variant) -> bool:
        raise NotImplementedError

    def apply(self, model: Any, variant: Variant, tuning: FineTuning) -> Any:
        if self.fails:
            raise JobFailed("diverged in pruning at epoch 1")
        self.calls[self.name] += 1
        added = sum(self.calls.values())
        model.set_weights([weight + added for weight in model.get_weights()])
        tuning.skipped.note(model.layers[-1], self.name)
        return model


def compress(variant: Variant, folder: Path) -> tuple[list[np.ndarray], SkippedLayers]:
    """Return the weights of ``variant`` of a model of ones, and the skipped layers."""
    model = Tiny().build()
    model.set_weights([np.ones_like(weight) for weight in model.get_weights()])
    tuning = FineTuning(lambda epoch: None, 0, 0, 0.0, None, lambda message: None)
    setting = CompressionSetting(part="convert", variant="float32")
    context = Context(repeat=0, artifacts=folder / "own", scratch=folder)

    def folder_of(stage: Variant) -> Path:
        return paths.stage_folder(Tiny(), setting, context, stage)

    done = fine_tuning.compress(model, variant, tuning, folder_of)
    return done.get_weights(), tuning.skipped


def test_trains_the_common_stages_of_variants_once(tmp_path: Path) -> None:
    calls: Counter[str] = Counter()
    prune, cluster = FakeStep("pruned-50", calls), FakeStep("clustered-16", calls)
    (quantise,) = parse("ptq-int8").steps
    pruned, _ = compress(Variant((prune,)), tmp_path)
    quantised, skipped = compress(Variant((prune, quantise)), tmp_path)
    both, skipped_by_both = compress(Variant((prune, cluster)), tmp_path)
    again, _ = compress(Variant((prune, cluster, quantise)), tmp_path)
    other, _ = compress(Variant((FakeStep("pruned-80", calls),)), tmp_path)
    assert calls == {"pruned-50": 1, "clustered-16": 1, "pruned-80": 1}
    assert all((weight == 2).all() for weight in [*pruned, *quantised])
    assert all((weight == 4).all() for weight in [*both, *again])
    assert all((weight == 4).all() for weight in other), "from the trained weights: 1 + 3"
    assert list(skipped.layers) == ["pruned-50"]
    assert list(skipped_by_both.layers) == ["pruned-50", "clustered-16"]
    assert sum(skipped_by_both.kinds.values()) == 2


def test_a_failed_step_stores_nothing_and_is_repeated(tmp_path: Path) -> None:
    calls: Counter[str] = Counter()
    with pytest.raises(JobFailed):
        compress(Variant((FakeStep("pruned-50", calls, fails=True),)), tmp_path)
    assert not list(tmp_path.rglob(networks.WEIGHTS))
    compress(Variant((FakeStep("pruned-50", calls),)), tmp_path)
    assert calls == {"pruned-50": 1}
