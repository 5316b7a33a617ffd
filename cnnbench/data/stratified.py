"""Subsets that keep every class's share, the same for every model and seed."""

from __future__ import annotations

import numpy as np

from cnnbench.data.pictures import Labels
from cnnbench.errors import JobFailed

# A fixed draw: a subset must not differ between models or seeds.
_DRAW = 14


def subset(labels: Labels, count: int | None) -> Labels:
    """Return the indices of ``count`` images, in order, every class in its share (rounded).

    The subset of a smaller count lies inside that of a larger one.

    Raises:
        JobFailed: there are fewer than ``count`` images.
    """
    if count is None or count == len(labels):
        return np.arange(len(labels))
    if count > len(labels):
        raise JobFailed(f"{count} examples asked for, but there are only {len(labels)}")
    return np.sort(order(labels)[:count])


def order(labels: Labels) -> Labels:
    """Return all indices in the order of the draw, of which every subset is a beginning."""
    # Every picture gets its place within its class as a fraction; the smallest fractions win.
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        ranks = np.random.default_rng((_DRAW, int(label))).permutation(len(members))
        place[members] = (ranks + 0.5) / len(members)
    return np.argsort(place, kind="stable")


def held_out(labels: Labels, share: float) -> tuple[Labels, Labels]:
    """Split all indices in two, ``(kept, held)``, ``share`` of every class being held."""
    held = subset(labels, round(len(labels) * share))
    return np.setdiff1d(np.arange(len(labels)), held), held
