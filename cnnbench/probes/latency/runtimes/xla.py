"""``xla``: ``tf.function(model, jit_compile=True)``.

As ``graph``, but ``compile_s`` holds a call in which XLA compiles the whole network, and
``first_call_s`` is the call after it.
"""

from __future__ import annotations

import numpy as np

from cnnbench.probes.latency.runtimes import graph


class Runtime(graph.Runtime):
    """The traced network, compiled by XLA as one kernel."""

    jit_compile = True

    def compile(self, images: np.ndarray) -> None:
        super().compile(images)
        self.call(self.feed(images))
