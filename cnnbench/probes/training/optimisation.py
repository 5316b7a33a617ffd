"""Optimiser and learning rate, from a setting."""

from __future__ import annotations

import math
from typing import Any

from cnnbench.core.settings.accuracy import AccuracySetting


def rate_at(progress: float, kind: str, warmup: float = 0.0, final_rate: float = 0.01) -> float:
    """The learning rate after ``progress`` (0..1) of all steps, as a fraction of the highest.

    It rises linearly from 0 during ``warmup``, then goes down to ``final_rate`` (or stays).
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
    """A fresh Keras optimiser; its rate is set step by step from `rate_at`."""
    import tensorflow as tf

    optimizers = tf.keras.optimizers
    options: dict[str, Any] = {"learning_rate": learning_rate}
    if setting.clip_norm is not None:
        options["global_clipnorm"] = setting.clip_norm
    if setting.weight_decay:
        options["weight_decay"] = setting.weight_decay
    match setting.optimizer:
        case "adam":
            return optimizers.Adam(**options)
        case "nadam":
            return optimizers.Nadam(**options)
        case "rmsprop":
            return optimizers.RMSprop(**options)
        case "sgd":
            return optimizers.SGD(momentum=0.9, nesterov=True, **options)
