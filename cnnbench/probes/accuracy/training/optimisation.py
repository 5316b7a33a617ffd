"""Optimiser and learning-rate schedule of a setting, with a short start-up time.

Before its first training step, the graph of a network is traced and rewritten. For NASNetMobile
this takes a minute, longer than an epoch of a short schedule. With one operation per variable
instead of Adam's twenty, and without rewriting, it takes less than half as long.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cnnbench.probes.accuracy.settings import AccuracySetting


def rate_at(progress: float, kind: str, warmup: float = 0.0, final_rate: float = 0.01) -> float:
    """Return the learning rate after ``progress`` (0..1) of all steps, relative to the highest.

    It rises linearly from 0 during ``warmup``, then decays to ``final_rate`` (or stays constant).
    """
    if progress < warmup:
        return progress / warmup
    rest = (progress - warmup) / (1 - warmup)
    match kind:
        case "constant":
            return 1.0
        case "linear":
            return 1 + (final_rate - 1) * rest
        case "cosine":
            return final_rate + (1 - final_rate) * (1 + math.cos(math.pi * rest)) / 2
        case "exponential":
            return float(final_rate**rest)
    raise ValueError(kind)


def optimizer(setting: AccuracySetting, learning_rate: float) -> Any:
    """Return a new Keras optimiser; the training loop sets its rate at every step."""
    import tensorflow as tf

    optimizers = tf.keras.optimizers
    options: dict[str, Any] = {"learning_rate": learning_rate}
    if setting.clip_norm is not None:
        options["global_clipnorm"] = setting.clip_norm
    if setting.weight_decay:
        options["weight_decay"] = setting.weight_decay
    match setting.optimizer:
        case "adam":
            return _adam(options)
        case "nadam":
            return optimizers.Nadam(**options)
        case "rmsprop":
            return optimizers.RMSprop(**options)
        case "sgd":
            return optimizers.SGD(momentum=0.9, nesterov=True, **options)


@contextmanager
def graphs_as_traced() -> Iterator[None]:
    """Run graphs as traced, without rewriting by TensorFlow's graph optimiser (Grappler).

    Training steps are equally fast, as the backward pass needs the results that rewriting would
    fuse. Functions first called in the ``with`` block stay without rewriting.
    """
    import tensorflow as tf

    options = tf.config.optimizer
    before = bool(options.get_experimental_options().get("disable_meta_optimizer", False))
    options.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        options.set_experimental_options({"disable_meta_optimizer": before})


def _adam(options: dict[str, Any]) -> Any:
    """Return Keras' Adam with TensorFlow's fused kernel as update step: the same arithmetic."""
    import tensorflow as tf

    class Adam(tf.keras.optimizers.Adam):  # type: ignore[misc]
        # Keras 2 does not call this method and keeps its own update.
        def _backend_update_step(
            self, gradients: list[Any], variables: list[Any], learning_rate: Any
        ) -> None:
            step = tf.cast(self.iterations.value + 1, tf.float32)
            powers = {
                "beta1_power": tf.pow(self.beta_1, step),
                "beta2_power": tf.pow(self.beta_2, step),
            }
            for gradient, variable in zip(gradients, variables, strict=True):
                place = self._get_variable_index(variable)
                tf.raw_ops.ResourceApplyAdam(
                    var=variable.value.handle,
                    m=self._momentums[place].value.handle,
                    v=self._velocities[place].value.handle,
                    **powers,
                    lr=learning_rate,
                    beta1=self.beta_1,
                    beta2=self.beta_2,
                    epsilon=self.epsilon,
                    grad=tf.convert_to_tensor(gradient),
                )

    return Adam(**options)
