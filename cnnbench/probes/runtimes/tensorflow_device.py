"""TensorFlow's threads and devices: set before its first tensor, read back, synchronised."""

from __future__ import annotations

from typing import Any


def set_threads(threads: int) -> None:
    """Let TensorFlow compute with ``threads`` threads; only before its first tensor.

    Raises:
        RuntimeError: TensorFlow has started already.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def threads_in_use() -> int:
    """What TensorFlow says that it computes one operation with."""
    import tensorflow as tf

    return int(tf.config.threading.get_intra_op_parallelism_threads())


def to_host(outputs: list[Any]) -> list[Any]:
    """The tensors as arrays in the host's memory; waits for a device that works on its own."""
    return [tensor.numpy() for tensor in outputs]
