"""The compression steps, in the order in which a variant applies them.

A new step is one file in this folder and one line in `STEPS`.
"""

from cnnbench.probes.compression.steps.base import Step
from cnnbench.probes.compression.steps.clustering import Clustering
from cnnbench.probes.compression.steps.pruning import Pruning
from cnnbench.probes.compression.steps.quantisation import Quantisation

STEPS: tuple[type[Step], ...] = (Pruning, Clustering, Quantisation)

__all__ = ["STEPS", "Clustering", "Pruning", "Quantisation", "Step"]
