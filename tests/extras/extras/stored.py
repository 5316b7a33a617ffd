"""A runtime: the Keras call of a network that is built anew from weights in a file."""

from typing import Any

import numpy as np

from cnnbench.probes.latency.runtimes import RuntimeBase, RuntimeInfo

WEIGHTS = "weights.npz"


class Stored(RuntimeBase):
    """`RuntimeBase` provides the defaults."""

    def prepare(self, keras_model: Any) -> dict[str, float]:
        np.savez(self.folder / WEIGHTS, *keras_model.get_weights())
        return {"convert_s": 0.5}

    def load(self) -> None:
        self._network = self.model.build()
        with np.load(self.folder / WEIGHTS) as archive:
            self._network.set_weights([archive[name] for name in archive.files])

    def call(self, fed: np.ndarray) -> list[np.ndarray]:
        return [self._network(fed, training=False).numpy()]


STORED = RuntimeInfo(
    create=Stored,
    packages=("wheel-of-extras",),
    variables=("STORED_KERNELS",),  # a setting of the library that the runtime calls
    files=(WEIGHTS,),
)
