"""Builders that fail in different ways; tests copy this file beside a suite."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def good(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    import tensorflow as tf

    return tf.keras.Sequential(
        [
            tf.keras.layers.Input(input_shape),
            tf.keras.layers.Conv2D(2, 3),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(classes),
        ]
    )


def light(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    """Build nothing, for a probe that only calls builders."""


def segfault(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    ctypes.string_at(0)


def hang(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 30))
    while True:
        ctypes.CDLL(None).sleep(1000)


def leave(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    os._exit(7)


def system_exit(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    raise SystemExit("bye")


def fail(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    raise ValueError("the builder is broken")


def killed(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def eat(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    hoard = []
    while True:
        hoard.append(bytearray(50 * 2**20))


def starve(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    """Crash as TensorFlow does if an allocation failed."""
    hoard = []
    try:
        while True:
            hoard.append(b"x" * (20 * 2**20))
    except MemoryError:
        ctypes.string_at(0)


def breed(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    """Leave a process behind that has a session of its own."""
    child = [sys.executable, "-c", "import time; time.sleep(10**6)", "cnnbench-orphan"]
    subprocess.Popen(child, start_new_session=True)
    return good(input_shape, classes)


def fork_twice(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    """Fork; both processes return to the worker."""
    os.fork()
    return good(input_shape, classes)


def wander(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    """Leave the worker in another folder and without its environment."""
    model = good(input_shape, classes)
    os.chdir(Path(__file__).with_name("elsewhere"))
    os.environ.clear()
    return model


def unsettle(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    """Change the global settings of Keras."""
    import tensorflow as tf

    tf.keras.backend.set_floatx("float64")
    tf.keras.backend.set_image_data_format("channels_first")
    tf.keras.backend.set_epsilon(0.5)
    return good(input_shape, classes)


def chatter(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    for _ in range(20_000):
        print("chatter " * 12)
    return good(input_shape, classes)


def flood(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    while True:
        print("flood " * 1000)


def flood_unasked(rate: float = 0.5) -> Any:
    """Print without end while a child process builds the network to find its size."""
    return flood()


def endless(input_shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> Any:
    Path(__file__).with_name("endless.began").touch()
    time.sleep(10**6)
