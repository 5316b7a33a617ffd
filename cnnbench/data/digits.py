"""``digits``: 1,797 handwritten digits of 8 × 8 px, included in scikit-learn.

E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998. No download.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cnnbench.data import loading
from cnnbench.data.datasets import Facts, Request
from cnnbench.data.pictures import ArrayPictures, Splits

_TEST_SHARE = 0.2


class Digits:
    """Four fifths of the images for training, one fifth for testing, stratified by class."""

    facts = Facts(px=8, classes=10, training_images=1_438)

    def load(self, request: Request, data_dir: Path | None, search_path: Sequence[Path]) -> Splits:
        """Return all images."""
        from sklearn.datasets import load_digits

        bunch = load_digits()
        # Map the grey levels 0..16 to 0..255.
        images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
        labels = bunch.target.astype(np.int64)
        train, test = loading.held_out(labels, _TEST_SHARE)
        return Splits(
            classes=tuple(str(name) for name in bunch.target_names),
            train=ArrayPictures(images[train], labels[train]),
            test=ArrayPictures(images[test], labels[test]),
        )


DIGITS = Digits()
