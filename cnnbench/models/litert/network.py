"""A Keras network whose only layer runs a LiteRT file, so that whatever evaluates or predicts with
a network does it with the file as well."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from cnnbench.environment import usable_cores
from cnnbench.models.litert.flatbuffer import Network
from cnnbench.models.litert.interpreter import LiteRTFile


class LiteRTLayer(tf.keras.layers.Layer):  # type: ignore[misc]
    """Run a LiteRT file on each image of a batch, in LiteRT's interpreter on the CPU.

    Inputs and outputs are float32; those of a file with integers are quantised here.

    Attributes:
        file: the LiteRT file.
        graph: its tensors and operators.
        activation: the last activation of a classifier; None if unknown.
        coding: JSON values of the coding of a detector's boxes; None if it has none.
    """

    def __init__(self, file: Path, graph: Network, encoding: str = "", **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.file, self.graph = file, graph
        self.coding, self.activation = _coding(encoding), _activation(encoding, graph)
        self._file: LiteRTFile | None = None

    def call(self, inputs: Any) -> Any:
        """Return the outputs for images ``(n, h, w, c)``, a list in the order of the file."""
        kinds = [tf.float32] * len(self.graph.outputs)
        outputs = tf.numpy_function(self._run, [tf.cast(inputs, tf.float32)], kinds)
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        for output, tensor in zip(outputs, self.graph.outputs, strict=True):
            output.set_shape((inputs.shape[0], *tensor.shape[1:]))
        return list(outputs)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> list[tuple[Any, ...]]:
        return [(input_shape[0], *tensor.shape[1:]) for tensor in self.graph.outputs]

    def _run(self, images: np.ndarray) -> list[np.ndarray]:
        opened = self._opened()
        calls = [opened.outputs(opened.call(opened.feed(image[None]))) for image in images]
        if not calls:
            return [np.zeros((0, *one.shape[1:]), np.float32) for one in self.graph.outputs]
        return [np.concatenate(parts).astype(np.float32) for parts in zip(*calls, strict=True)]

    def _opened(self) -> LiteRTFile:
        if self._file is None:
            self._file = LiteRTFile(self.file, usable_cores())
            self._file.load()
            self._file.compile()
        return self._file


def build(file: Path, graph: Network, outputs: Sequence[str] = (), encoding: str = "") -> Any:
    """Return the ``keras.Model`` that runs a file.

    Args:
        file: the LiteRT file.
        graph: its tensors and operators; its only input is an image.
        outputs: paths of its outputs, in its order; without them several are a list.
        encoding: encoding of its outputs; empty if unknown.
    """
    layer = LiteRTLayer(file, graph, encoding, name="litert_file")
    image = tf.keras.Input(graph.inputs[0].shape[1:])
    found = layer(image)
    named = dict(zip(outputs, found, strict=True)) if outputs else found
    return tf.keras.Model(image, named if len(found) > 1 else found[0], name=_name(file))


def _name(file: Path) -> str:
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in file.stem) or "litert"


def _coding(encoding: str) -> Mapping[str, Any] | None:
    """Return the coding in an encoding that is JSON, as those of detectors are."""
    if not encoding.startswith("{"):
        return None
    found = json.loads(encoding)
    return found if isinstance(found, Mapping) else None


def _activation(encoding: str, graph: Network) -> Any:
    """Return the function that ended the network: from the encoding, else from its operators."""
    functions = tf.keras.activations
    named = {
        "softmax": functions.softmax,
        "sigmoid": functions.sigmoid,
        "sigmoids": functions.sigmoid,
        "logit": functions.linear,
        "logits": functions.linear,
    }
    if encoding in named:
        return named[encoding]
    last = {"SOFTMAX": functions.softmax, "LOGISTIC": functions.sigmoid}
    for operator in reversed(graph.operators):
        if operator.kind not in ("DEQUANTIZE", "QUANTIZE", "RESHAPE", "CAST"):
            return last.get(operator.kind)
    return None
