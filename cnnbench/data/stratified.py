"""Stratified subsets, the same for every model and seed."""

from __future__ import annotations

import numpy as np

from cnnbench.data.pictures import Labels
from cnnbench.errors import JobFailed

# A fixed draw: a subset must not differ between models or seeds.
_DRAW = 14


def subset(labels: Labels, count: int | None) -> Labels:
    """Return the sorted indices of ``count`` images with the classes in proportion (rounded).

    A smaller subset is contained in every larger one.

    Raises:
        JobFailed: there are fewer than ``count`` images.
    """
    if count is None or count == len(labels):
        return np.arange(len(labels))
    if count > len(labels):
        raise JobFailed(f"{count} examples asked for, but there are only {len(labels)}")
    return np.sort(order(labels)[:count])


def order(labels: Labels) -> Labels:
    """Return all indices in the order of the draw; a subset is the first ``count`` of them."""
    # Rank the images of each class at random; take them by rank divided by the class size.
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        ranks = np.random.default_rng((_DRAW, int(label))).permutation(len(members))
        place[members] = (ranks + 0.5) / len(members)
    return np.argsort(place, kind="stable")


def held_out(labels: Labels, share: float) -> tuple[Labels, Labels]:
    """Split all indices into ``(kept, held)``, with ``share`` of every class held out."""
    held = subset(labels, round(len(labels) * share))
    return np.setdiff1d(np.arange(len(labels)), held), held
