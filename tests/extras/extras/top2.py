"""A metric of classification: the class is among the two most probable."""

import numpy as np

from cnnbench.metrics import Metric, QualityMetric


def top2(probs: np.ndarray, labels: np.ndarray) -> float:
    return float((np.argsort(-probs, axis=1)[:, :2] == labels[:, None]).any(axis=1).mean())


TOP2 = QualityMetric(
    Metric("top2", "fraction", "higher", "setting", title="Top-2", group="Accuracy", is_share=True),
    "classification",
    top2,
)
