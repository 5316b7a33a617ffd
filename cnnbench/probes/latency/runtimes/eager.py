"""``eager``: the plain Keras call, ``model(tensor)``, operation by operation.

``load_s`` builds the model and sets its weights; there is nothing to convert or to compile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency.runtimes.tensorflow_path import TensorFlowPath


class Runtime(TensorFlowPath):
    """``model(tensor, training=False)``; the inputs lie on the device, outputs go to the host."""

    @property
    def _file(self) -> Path:
        return self.folder / "weights.npz"

    def prepare(self, model: Any) -> dict[str, float]:
        np.savez(self._file, *model.get_weights())
        return {}

    def load(self) -> None:
        with np.load(self._file) as archive, self._device.scope():
            weights = [archive[name] for name in archive.files]
            self._model = calibrated_model.with_policy(self.subject.build, self.setting.dtype)
            self._model.set_weights(weights)

    def compile(self, images: np.ndarray) -> None:
        """Nothing is compiled."""

    def call(self, fed: Any) -> list[np.ndarray]:
        import tensorflow as tf

        with self._device.scope():
            return [output.numpy() for output in tf.nest.flatten(self._model(fed, training=False))]
