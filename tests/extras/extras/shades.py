"""A data set: dark and bright noise, forty images of each for training and ten for the test."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cnnbench.data.datasets import Facts, Request
from cnnbench.data.pictures import ArrayPictures, Splits


class Shades:
    facts = Facts(px=8, classes=2, training_images=80)

    def load(self, request: Request, data_dir: Path | None, search_path: Sequence[Path]) -> Splits:
        return Splits(("dark", "bright"), train=_pictures(40, seed=0), test=_pictures(10, seed=1))


def _pictures(each: int, seed: int) -> ArrayPictures:
    labels = np.arange(2 * each) % 2
    noise = np.random.default_rng(seed).integers(0, 100, (2 * each, 8, 8, 1))
    return ArrayPictures((noise + 150 * labels[:, None, None, None]).astype(np.uint8), labels)


SHADES = Shades()
