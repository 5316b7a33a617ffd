"""``eager`` and ``predict``: a Keras model called directly.

``eager`` is the plain call, ``model(tensor)``, operation by operation: inputs are on the device,
outputs are copied to the host. ``predict`` is ``model.predict(array)``, what a Keras user writes
first: arrays go in and come out; ``compile_s`` makes its function, which ``first_call_s`` traces.
In both, ``load_s`` builds the model and sets its weights, and nothing is converted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnbench.probes.latency import calibrated_model, inside
from cnnbench.probes.latency.runtimes.tensorflow_device import TensorFlowRuntime, tensorflow_info

_FILE = "weights.npz"


class Eager(TensorFlowRuntime):
    """``model(tensor, training=False)``."""

    def prepare(self, keras_model: Any) -> dict[str, float]:
        np.savez(self.folder / _FILE, *keras_model.get_weights())
        return {}

    def load(self) -> None:
        with np.load(self.folder / _FILE) as archive, self.scope():
            weights = [archive[name] for name in archive.files]
            built = calibrated_model.with_policy(self.model.build, self.setting.dtype)
            self._model = inside.finished(self.model, built, self.setting)
            self._model.set_weights(weights)

    def call(self, fed: Any) -> Any:
        import tensorflow as tf

        with self.scope():
            return [output.numpy() for output in tf.nest.flatten(self._model(fed, training=False))]


class Predict(Eager):
    """``model.predict(images, batch_size=the whole batch)``."""

    def compile(self, images: np.ndarray) -> None:
        self._model.make_predict_function()

    def feed(self, images: np.ndarray) -> np.ndarray:
        return images

    def call(self, fed: Any) -> Any:
        return self._model.predict(fed, batch_size=len(fed), verbose=0)

    def outputs(self, result: Any) -> list[np.ndarray]:
        import tensorflow as tf

        return tf.nest.flatten(result)  # type: ignore[no-any-return]


EAGER = tensorflow_info(Eager, (_FILE,), rebuilds=True)
PREDICT = tensorflow_info(Predict, (_FILE,), rebuilds=True)
