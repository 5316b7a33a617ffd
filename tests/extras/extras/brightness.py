"""A task: the mean brightness of an image, 0..1, predicted by one linear output."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cnnbench.data.pictures import Part
from cnnbench.errors import JobFailed
from cnnbench.metrics import Metric, QualityMetric
from cnnbench.tasks.task import Evaluation, Objective, Prediction, Task, evaluate_all


class BrightnessObjective(Objective):
    """Least squares."""

    def outputs_for(self, own: int) -> int:
        return 1

    def head(self, seed: int) -> Any:
        import tensorflow as tf

        return tf.keras.layers.Dense(1)

    def targets(self, part: Part) -> np.ndarray:
        return (part.images.mean(axis=(1, 2, 3), keepdims=False) / 255).astype(np.float32)[:, None]

    def loss(self, encoding: str, label_smoothing: float = 0.0) -> Any:
        return "mean_squared_error"

    def watched(self, encoding: str) -> Any:
        import tensorflow as tf

        return tf.keras.metrics.MeanAbsoluteError(name="brightness_mae")

    def evaluate(self, answers: np.ndarray, targets: np.ndarray, encoding: str) -> Evaluation:
        if not np.isfinite(answers).all():
            raise JobFailed("its outputs are not finite")
        return Evaluation(evaluate_all("brightness", answers, targets), {"n_test": len(targets)})


@dataclass
class Mean(Prediction):
    brightness: float

    def __str__(self) -> str:
        return f"brightness {self.brightness:.2f}"

    def cells(self) -> dict[str, str]:
        return {"Brightness": f"{self.brightness:.2f}"}

    def to_json(self) -> dict[str, float]:
        return asdict(self)


class Brightness(Task):
    name = "brightness"
    primary = "brightness_mae"
    watched = "brightness_mae"
    predicted = "means"

    def decode(
        self, outputs: np.ndarray, network: Any, names: Sequence[str], top: int
    ) -> list[list[Prediction]]:
        return [[Mean(float(value))] for (value,) in outputs]

    def objective(self, classes: Sequence[str], dataset: str, options: Any = None) -> Objective:
        return BrightnessObjective()


def mean_absolute_error(outputs: np.ndarray, targets: np.ndarray) -> float:
    return float(np.abs(outputs - targets).mean())


BRIGHTNESS = Brightness()
MAE = QualityMetric(
    Metric("brightness_mae", "ratio", "lower", "setting", title="Brightness error", group="Light"),
    "brightness",
    mean_absolute_error,
)
