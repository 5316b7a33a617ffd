"""A converted file that answers like a model: image by image, through LiteRT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.environment import usable_cores
from cnnbench.errors import JobFailed
from cnnbench.probes.latency.runtimes.litert_file import LiteRTFile


class File(LiteRTFile):
    """A flatbuffer for one image a call, opened."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, usable_cores())
        self.load()
        self.compile()

    def __call__(self, images: np.ndarray, training: bool = False) -> list[np.ndarray]:
        """The outputs for float32 ``images``, ``(n, h, w, c)``, each ``(n, ...)``.

        Raises:
            JobFailed: some are no numbers, as where a weight is too large for float16.
        """
        answers = [self.call(image[None]) for image in np.asarray(images, np.float32)]
        outputs = [np.concatenate(parts) for parts in zip(*answers, strict=True)]
        if not all(np.isfinite(output).all() for output in outputs):
            raise JobFailed("its outputs are not numbers")
        return outputs


def answers(file: File, images: np.ndarray, preprocess: Any, say: Any) -> np.ndarray:
    """What ``file`` says to uint8 ``images``: ``(n, classes)``.

    Raises:
        JobFailed: as `File`.
    """
    parts = []
    step = 256
    for start in range(0, len(images), step):
        say(f"testing in LiteRT, image {start + 1:,} of {len(images):,}")
        parts.append(file(preprocess(images[start : start + step]))[0])
    return np.concatenate(parts)
