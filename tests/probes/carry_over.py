"""One Keras generation's part of carrying weights over: a program, in a process of its own.

``python -m tests.probes.carry_over FOLDER keras3|keras2 DTYPE NAME...``: Keras 3 builds each
network, saves its weights as the compression probe does and writes what it answers; Keras 2
(second) builds a fresh copy from these weights and writes what that answers, or why there is no
copy. A network is one of the catalogue, or ``file.py:builder`` in FOLDER.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.errors import Unavailable
from cnnbench.models import registry
from cnnbench.probes.compression import carry_over, networks
from cnnbench.probes.latency import calibrated_model

_SIZE = 64


def subject_of(name: str, folder: Path) -> Any:
    """The network at a small size, so that the whole registry can be run."""
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
        subject, place = subject_of(name, folder), folder / name.rpartition(":")[2]
        images = calibrated_model.random_inputs(
            subject, 2, seed=2
        )  # those whose answers `build` made vary
        if generation == "keras3":
            place.mkdir()
            model = calibrated_model.build(subject)
            carry_over.save(model, place)
            carry_over.save_answers(model, images, place)
        else:
            try:
                model = networks.fresh_copy(subject, None, place)
            except Unavailable as error:
                (place / "refused.txt").write_text(str(error))
                continue
        np.save(place / f"{generation}.npy", calibrated_model.answers(model, images)[0])
        print(name, flush=True)
        del model


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
