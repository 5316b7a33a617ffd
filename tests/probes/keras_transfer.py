"""One half of a weight transfer between Keras 3 and Keras 2: a program, run in its own process.

``python -m tests.probes.keras_transfer FOLDER keras3|keras2 DTYPE NAME...``: Keras 3 (first) builds
each model, saves its weights as the compression probe does and writes its outputs; Keras 2 (second)
rebuilds it with these weights and writes the outputs of the copy, or why there is none. A model is
one of the catalogue, or ``file.py:builder`` in FOLDER.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.errors import Unavailable
from cnnbench.models import registry
from cnnbench.probes.compression import networks
from cnnbench.probes.latency import calibrated_model
from cnnbench.tasks.task import TASKS

_SIZE = 64


def model_of(name: str, folder: Path) -> Any:
    """Return the model at a small size, so that the whole registry can be run."""
    known = registry.resolve(name, [folder])
    if ":" in name:
        return known
    size = max(known.min_size or 1, min(_SIZE, *known.input_shape[:2]))
    return registry.resolve(f"{name}[input_shape={size}x{size}x{known.input_shape[-1]},classes=10]")


def main(folder: Path, generation: str, dtype: str, names: list[str]) -> None:
    if generation == "keras2":
        networks.use_keras_2()
    import tensorflow as tf

    tf.keras.mixed_precision.set_global_policy(dtype)
    for name in names:
        handle, place = model_of(name, folder), folder / name.rpartition(":")[2]
        images = calibrated_model.random_inputs(handle, 2, seed=2)  # for which outputs differ
        if generation == "keras3":
            place.mkdir()
            model = calibrated_model.build(handle)
            networks.save_weights(model, place)
            networks.save_outputs(model, images, place)
        else:
            try:
                objective = TASKS.find(handle.task).objective((), "")
                card = {"input_shape": handle.input_shape, "classes": handle.classes}
                model = networks.fresh_copy(handle, None, objective, card, place)
            except Unavailable as error:
                (place / "refused.txt").write_text(str(error))
                continue
        np.save(place / f"{generation}.npy", calibrated_model.keras_outputs(model, images)[0])
        print(name, flush=True)
        del model


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
