"""From the trained network to the one that is converted: prune, cluster, train for int8."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cnnbench.files import replace_text
from cnnbench.probes.compression import carry_over, clustering, pruning, quantisation
from cnnbench.probes.compression.fine_tuning import FineTuning, freeze_statistics
from cnnbench.probes.compression.layer_by_layer import Left
from cnnbench.probes.compression.variants import Variant

_LEFT = "left.json"


def treated(
    model: Any, variant: Variant, tuning: FineTuning, left: Left, kept: Callable[[Variant], Path]
) -> Any:
    """The steps of ``variant`` that train, one after another, each on what the last one gave.

    A float network on the way is trained once and kept: every variant that passes through it goes
    on from the same weights, as its own row says of it.

    Args:
        model: a fresh Keras 2 copy of the trained network; it is used up.
        variant: which steps.
        tuning: how each of them is trained.
        left: takes note of the layers that a step does not know.
        kept: the folder of a network on the way.

    Raises:
        Unavailable: the toolkit does not take the network.
        JobFailed: the training diverged.
    """
    freeze_statistics(model)
    for stage in variant.tuned_stages:
        folder = kept(stage)
        if (folder / carry_over.WEIGHTS).is_file():
            carry_over.load(model, folder / carry_over.WEIGHTS)
        else:
            step = pruning.prune if stage.clusters is None else clustering.cluster
            model = _made(step, model, stage, tuning, folder)
        left.add(Left(**json.loads((folder / _LEFT).read_text(encoding="utf-8"))))
    if variant.quantisation == "qat-int8":
        model = quantisation.aware(model, variant, tuning, left)
    return model


def _made(step: Any, model: Any, stage: Variant, tuning: FineTuning, folder: Path) -> Any:
    """``model`` after ``step``, its weights and the layers left alone in ``folder``."""
    left = Left()
    model = step(model, stage, tuning, left)
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(folder / _LEFT, json.dumps({"layers": left.layers, "kinds": left.kinds}))
    carry_over.save(model, folder)
    return model
