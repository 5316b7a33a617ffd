"""A network that several variants pass through is trained once, and is the same for all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cnnbench.errors import JobFailed
from cnnbench.probes.compression import carry_over, paths, toolkit
from cnnbench.probes.compression.layer_by_layer import Left
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.compression.variants import Variant, parse
from cnnbench.probes.interface import Context
from tests.probes.tiny import Tiny


@pytest.mark.parametrize(
    ("variant", "stages"),
    [
        ("float32", []),
        ("qat-int8", []),
        ("pruned-50", ["pruned-50"]),
        ("pruned-2x4+ptq-int8", ["pruned-2x4"]),
        ("clustered-8+qat-int8", ["clustered-8"]),
        ("pruned-50+clustered-16+qat-int8", ["pruned-50", "pruned-50+clustered-16"]),
    ],
)
def test_the_float_networks_on_the_way(variant: str, stages: list[str]) -> None:
    assert [str(stage) for stage in parse(variant).tuned_stages] == stages


class Steps:
    """In place of the toolkit's: each adds to the weights, and counts how often it is called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        for module, name in ((toolkit.pruning, "prune"), (toolkit.clustering, "cluster")):
            monkeypatch.setattr(module, name, self._step(name))

    def _step(self, name: str) -> Any:
        def step(model: Any, stage: Variant, tuning: Any, left: Left) -> Any:
            self.calls[name] += 1
            by = sum(self.calls.values())  # never the same twice, as training is not
            model.set_weights([weight + by for weight in model.get_weights()])
            left.note(model.layers[-1], name)
            return model

        return step


def treated(variant: str, folder: Path) -> tuple[list[np.ndarray], Left]:
    """The weights of ``variant`` of a network of ones, and what was left alone."""
    model = Tiny().build()
    model.set_weights([np.ones_like(weight) for weight in model.get_weights()])
    left = Left()
    setting = CompressionSetting(
        part="convert", variant=variant, representative=100 if "ptq" in variant else 0
    )
    context = Context(repeat=0, artifacts=folder / "own", scratch=folder)

    def kept(stage: Variant) -> Path:
        return paths.tuned(Tiny(), setting, context, stage)

    done = toolkit.treated(model, parse(variant), SimpleNamespace(), left, kept)
    return done.get_weights(), left


def test_what_variants_have_in_common_is_trained_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    steps = Steps(monkeypatch)
    pruned, _ = treated("pruned-50", tmp_path)
    quantised, left = treated("pruned-50+ptq-int8", tmp_path)
    both, left_by_both = treated("pruned-50+clustered-16", tmp_path)
    again, _ = treated("pruned-50+clustered-16+ptq-int8", tmp_path)
    other, _ = treated("pruned-80", tmp_path)
    assert steps.calls == {"prune": 2, "cluster": 1}
    assert all((weight == 2).all() for weight in [*pruned, *quantised])
    assert all((weight == 4).all() for weight in [*both, *again])
    assert all((weight == 4).all() for weight in other), "from the trained weights: 1 + 3"
    assert list(left.layers) == ["prune"]
    assert list(left_by_both.layers) == ["prune", "cluster"]
    assert sum(left_by_both.kinds.values()) == 2


def test_a_step_that_fails_leaves_nothing_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def diverges(*_: Any) -> None:
        raise JobFailed("diverged in pruning at epoch 1")

    with monkeypatch.context() as broken:
        broken.setattr(toolkit.pruning, "prune", diverges)
        with pytest.raises(JobFailed):
            treated("pruned-50", tmp_path)
    assert not list(tmp_path.rglob(carry_over.WEIGHTS))
    steps = Steps(monkeypatch)
    treated("pruned-50+ptq-int8", tmp_path)
    assert steps.calls == {"prune": 1}
