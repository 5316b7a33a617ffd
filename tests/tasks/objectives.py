"""Objectives for tests that build or train a classifier without reading a data set."""

from __future__ import annotations

from cnnbench.tasks.classification import CLASSIFICATION
from cnnbench.tasks.task import Objective


def classes(count: int) -> Objective:
    """Tell ``count`` classes apart."""
    return CLASSIFICATION.objective([str(label) for label in range(count)], "digits")
