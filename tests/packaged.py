"""Make the packaged images of Fashion-MNIST from the full data set.

``python -m tests.packaged DATA_DIR`` writes them anew: the beginning of the stratified draw from
the training and from the test images, with the place of each in its official set. What it writes
follows from the data alone, but for the compressed bytes, which another zlib may choose otherwise.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from cnnbench.data import fashion_mnist, loading
from tests.conftest import ROOT

FILE = ROOT.joinpath("cnnbench", "data", *fashion_mnist.PACKAGED)


def arrays(data_dir: Path) -> dict[str, np.ndarray]:
    """Return ``{train,test}_{images,labels,places}``, ``(n, 28, 28, 1)`` and ``(n,)``, as drawn."""
    full = fashion_mnist.official(data_dir)
    found = {}
    counts = fashion_mnist.FASHION_MNIST.facts.packaged
    for name, part, count in zip(("train", "test"), (full.train, full.test), counts, strict=True):
        places = loading.order(part.labels)[:count]
        found[f"{name}_images"] = part.read(places, 28, 1)
        found[f"{name}_labels"] = part.labels[places].astype(np.uint8)
        found[f"{name}_places"] = places.astype(np.uint16)
    return found


if __name__ == "__main__":
    np.savez_compressed(FILE, **arrays(Path(sys.argv[1])))
