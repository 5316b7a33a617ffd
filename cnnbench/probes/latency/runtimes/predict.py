"""``predict``: ``model.predict(array)``, what a Keras user writes first.

``load_s`` builds the model and sets its weights; its function is made by ``compile_s`` and traced
in ``first_call_s``. Arrays go in and come out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnbench.probes.latency.runtimes import eager


class Runtime(eager.Runtime):
    """``model.predict(images, batch_size=the whole batch)``."""

    def compile(self, images: np.ndarray) -> None:
        self._model.make_predict_function()

    def feed(self, images: np.ndarray) -> np.ndarray:
        return images

    def call(self, fed: np.ndarray) -> Any:
        return self._model.predict(fed, batch_size=len(fed), verbose=0)

    def outputs(self, result: Any) -> list[np.ndarray]:
        import tensorflow as tf

        return tf.nest.flatten(result)  # type: ignore[no-any-return]
