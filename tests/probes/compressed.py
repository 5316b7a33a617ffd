"""Runs of the compression probe on models small enough for a test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cnnbench.results import tables

NETWORKS = """
import tensorflow as tf


def preprocess_input(images):
    return images / 255.0


def small(input_shape=(8, 8, 1), classes=10):
    layers = tf.keras.layers
    inputs = x = tf.keras.Input(input_shape)
    for filters in (16, 32):
        x = layers.Conv2D(filters, 3, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(32, activation="relu")(x)
    return tf.keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


def headed(input_shape=(8, 8, 1), classes=10, include_top=True):
    layers = tf.keras.layers
    inputs = x = tf.keras.Input(input_shape)
    for filters in (16, 32):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    if not include_top:
        return tf.keras.Model(inputs, x)
    x = layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


def separable(input_shape=(8, 8, 3), classes=10):
    layers = tf.keras.layers
    inputs = tf.keras.Input(input_shape)
    x = layers.Conv2D(8, 3, activation="relu", name="three_channels")(inputs)
    x = layers.SeparableConv2D(16, 3, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


class Odd(tf.keras.layers.Layer):
    def call(self, x):
        return tf.raw_ops.Betainc(a=x + 1.0, b=x + 1.0, x=tf.sigmoid(x))


def odd(input_shape=(8, 8, 1), classes=10):
    inputs = tf.keras.Input(input_shape)
    x = tf.keras.layers.Flatten()(Odd()(inputs))
    return tf.keras.Model(inputs, tf.keras.layers.Dense(classes, activation="softmax")(x))


def of_keras_3_only(input_shape=(8, 8, 1), classes=10):
    import keras

    inputs = keras.Input(input_shape)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3)(inputs))
    return keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(x))
"""


def run(folder: Path, suite: str) -> tuple[int, Any, list[dict[str, Any]]]:
    """Run ``suite``, named ``s``, in ``folder``; return exit code, report by variant, records."""
    (folder / "nets.py").write_text(NETWORKS)
    (folder / "s.yaml").write_text(suite)
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", "run", "s.yaml"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    found = tables.load(folder / "results" / "s")
    lines = (found.path / "records.jsonl").read_text().splitlines()[1:]
    return done.returncode, found.report.set_index("variant"), [json.loads(line) for line in lines]
