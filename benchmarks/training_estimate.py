"""Error of the fast estimate of training memory, compared with the gradient graph.

    python benchmarks/training_estimate.py [MODEL...]

For every model of ``keras.applications`` print the bytes that training keeps for one image,
estimated layer by layer (as in ``cnnbench inspect``) and computed from the gradient graph
(``--trace-training``), and the CPU seconds of each.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
OPEN_SIZE = {"MobileNetV3Large": (224, 224, 3), "MobileNetV3Small": (224, 224, 3)}


def main(names: list[str]) -> None:
    import tensorflow as tf

    from cnnbench.analysis import weightless
    from cnnbench.analysis.inputs import wanted_inputs
    from cnnbench.analysis.listing.network import operations
    from cnnbench.analysis.training_memory import estimate_training_bytes, traced_training_bytes

    applications = tf.keras.applications
    errors = {}
    print(f"{'':20} {'estimate':>14} {'gradient graph':>14} {'error':>7} {'s':>7} {'s':>7}")
    for name in names or [name for name in dir(applications) if name[0].isupper()]:
        tf.keras.backend.clear_session()
        gc.collect()
        with weightless():
            size = {"input_shape": OPEN_SIZE[name]} if name in OPEN_SIZE else {}
            model = getattr(applications, name)(weights=None, **size)
            inputs = wanted_inputs(model, None)
            graph = operations(model, inputs)
            fast, fast_s = _timed(lambda graph=graph: estimate_training_bytes(graph))
            exact, exact_s = _timed(
                lambda inputs=inputs, model=model: traced_training_bytes(model, inputs)
            )
        errors[name] = fast / exact - 1
        line = f"{name:20} {fast:14,} {exact:14,} {100 * errors[name]:+6.1f}%"
        print(f"{line} {fast_s:7.3f} {exact_s:7.3f}", flush=True)
    low, high = min(errors, key=errors.__getitem__), max(errors, key=errors.__getitem__)
    print(f"error from {100 * errors[low]:+.1f}% ({low}) to {100 * errors[high]:+.1f}% ({high})")


def _timed(work: Callable[[], int]) -> tuple[Any, float]:
    start = time.process_time()
    return work(), time.process_time() - start


if __name__ == "__main__":
    main(sys.argv[1:])
