"""Accuracy probe: quality after a short training, or of a pretrained network."""

from collections.abc import Callable, Iterator
from typing import Any

from cnnbench.metrics import QUALITY, Metric
from cnnbench.probes.accuracy.settings import AccuracySetting, AccuracySpec
from cnnbench.probes.accuracy.summary import behind, summarise, tiers
from cnnbench.probes.probe import Probe
from cnnbench.record import are_words, is_count, is_number
from cnnbench.tasks.task import ranking_metrics

GROUP = "Accuracy"


def quality() -> Iterator[Metric]:
    """Yield the metrics of all tasks, those that rank models with a column for the tier."""
    ranked_by = ranking_metrics()
    for name, found in QUALITY.items():
        yield found.metric
        if name in ranked_by:
            yield Metric(f"{name}_tier", "count", None, "setting", primary=False, title="Tier",
                         group=GROUP, rank=1)  # fmt: skip


# Of every record with an evaluation.
DETAILS: dict[str, Callable[[Any], bool]] = {
    "n_test": lambda value: is_count(value) and value > 0,
    "chance": lambda value: is_number(value) and 0 <= value <= 1,
    "n_problems": is_count,
    "output": lambda value: isinstance(value, str),
    "notes": are_words,
    "problems": are_words,
}

PROBE = Probe(
    name="accuracy",
    spec=AccuracySpec,
    setting=AccuracySetting,
    run="cnnbench.probes.accuracy.run",
    summary=summarise,
    repeat="seed",
    across_rows=tiers,
    behind=behind,
    details=DETAILS,
    metrics=(
        *quality(),
        Metric("train_s", "s", "lower", "setting", title="Training"),
        Metric("time_to_target_s", "s", "lower", "setting", title="Time to target", group=GROUP,
               rank=3),
        Metric("epoch_s", "s", "lower", "setting", title="Epoch"),
        Metric("images_per_s", "per_s", "higher", "setting", title="Training images/s"),
    ),
)  # fmt: skip
