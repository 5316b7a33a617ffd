"""Adam by one kernel a variable is Keras' Adam; graphs without rewriting give the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cnnbench.probes.accuracy.training import optimisation
from tests.probes.test_accuracy_settings import setting


@pytest.mark.parametrize("extra", [{}, {"weight_decay": 0.1}, {"clip_norm": None}])
def test_adam_makes_the_steps_of_keras_adam(extra: dict[str, Any]) -> None:
    import tensorflow as tf

    chosen = setting(**extra)
    theirs = tf.keras.optimizers.Adam(
        0.01, global_clipnorm=chosen.clip_norm, weight_decay=chosen.weight_decay or None
    )
    ours = optimisation.optimizer(chosen, 0.01)
    random = np.random.default_rng(0)
    start = [random.normal(size=shape).astype("float32") for shape in ((3, 4), (4,))]
    sides = [[tf.keras.Variable(value) for value in start] for _ in range(2)]
    for _ in range(20):
        gradients = [tf.constant(random.normal(size=v.shape), "float32") for v in start]
        for optimizer, variables in zip((theirs, ours), sides, strict=True):
            optimizer.apply_gradients(list(zip(gradients, variables, strict=True)))
    for expected, found, first in zip(*sides, start, strict=True):
        assert np.asarray(found) == pytest.approx(np.asarray(expected), rel=1e-4, abs=1e-6)
        assert not np.allclose(np.asarray(found), first, atol=0.05)


def test_graphs_are_rewritten_again_afterwards() -> None:
    import tensorflow as tf

    def is_off() -> bool:
        options = tf.config.optimizer.get_experimental_options()
        return bool(options.get("disable_meta_optimizer", False))

    with pytest.raises(ZeroDivisionError), optimisation.graphs_as_traced():
        assert is_off()
        raise ZeroDivisionError
    assert not is_off()
