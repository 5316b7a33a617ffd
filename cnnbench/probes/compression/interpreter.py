"""Running a converted file in LiteRT, image by image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from cnnbench.environment import usable_cores
from cnnbench.errors import JobFailed
from cnnbench.probes.latency.runtimes.litert import LiteRTFile


class File(LiteRTFile):
    """An opened flatbuffer with a batch size of one."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, usable_cores())
        self.load()
        self.compile()

    def __call__(self, images: np.ndarray, training: bool = False) -> list[np.ndarray]:
        """Return the outputs, ``(n, ...)`` each, for float32 ``images``, ``(n, h, w, c)``.

        Raises:
            JobFailed: an output is not finite, for example if a weight is too large for float16.
        """
        calls = [self.call(image[None]) for image in np.asarray(images, np.float32)]
        outputs = [np.concatenate(parts) for parts in zip(*calls, strict=True)]
        if not all(np.isfinite(output).all() for output in outputs):
            raise JobFailed("its outputs are not finite")
        return outputs


def predict(
    file: File,
    images: np.ndarray,
    preprocess: Callable[[np.ndarray], np.ndarray],
    report_progress: Callable[[str], None],
) -> np.ndarray:
    """Return the first output of ``file``, ``(n, classes)``, for uint8 ``images``.

    Raises:
        JobFailed: an output is not finite.
    """
    parts = []
    step = 256
    for start in range(0, len(images), step):
        report_progress(f"testing in LiteRT, image {start + 1:,} of {len(images):,}")
        parts.append(file(preprocess(images[start : start + step]))[0])
    return np.concatenate(parts)
