"""Tasks in suites: the key, its default, and what a task must not be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import ValidationError

from cnnbench.metrics import METRICS, QUALITY
from cnnbench.probes.accuracy.settings import AccuracySetting, AccuracySpec
from cnnbench.probes.compression.settings import CompressionSpec
from cnnbench.statistics.verdict import NOT_ABOVE_CHANCE
from cnnbench.tasks.classification import CLASSIFICATION
from cnnbench.tasks.task import TASKS, Contender


@dataclass(frozen=True)
class FakeEvaluation:
    metrics: Mapping[str, float]
    details: Mapping[str, Any] = field(default_factory=dict)


def test_the_default_task_stands_in_no_key_and_no_label() -> None:
    setting = AccuracySetting(dataset="digits", image_size=8)
    stated = AccuracySetting(dataset="digits", image_size=8, task="classification")
    assert setting.model_dump(mode="json") == stated.model_dump(mode="json")
    assert "task" not in setting.model_dump(mode="json")
    assert setting.label() == "digits/scratch"
    assert setting.primary_metrics() == ("top1",)


def test_an_unknown_task_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValidationError, match=r"unknown task 'clasification' \(did you mean"):
        AccuracySpec.model_validate({"dataset": "digits", "task": "clasification"})


def test_compression_refuses_unknown_tasks() -> None:
    training = {"dataset": "digits", "task": "brightness"}
    with pytest.raises(ValidationError, match="unknown task 'brightness'"):
        CompressionSpec.model_validate({"training": training})


def test_every_metric_belongs_to_a_task_and_every_task_ranks_by_one_of_its_own() -> None:
    assert {metric.task for metric in QUALITY.values()} <= set(TASKS)
    for task in TASKS.values():
        assert QUALITY[task.primary].task == task.name
        assert f"{task.primary}_tier" in METRICS
    assert all(name == metric.metric.name for name, metric in QUALITY.items())


def test_seeds_of_a_classifier_have_an_interval_over_seeds_and_images() -> None:
    seeds = [FakeEvaluation({"top1": one}, {"n_test": 1000, "chance": 0.1}) for one in (0.7, 0.8)]
    judged = CLASSIFICATION.judge(Contender(seeds))["top1"]
    assert judged.value == pytest.approx(0.75)
    assert judged.low is not None and judged.high is not None
    assert judged.low < 0.7 and judged.high > 0.8
    assert str(judged.verdict) == "stable"


def test_what_chance_explains_is_said_of_all_metrics_and_never_ranked() -> None:
    blind = Contender([FakeEvaluation({"top1": 0.1, "loss": 2.3}, {"n_test": 100, "chance": 0.1})])
    judged = CLASSIFICATION.judge(blind)
    assert judged["loss"].verdict == judged["top1"].verdict == NOT_ABOVE_CHANCE
    assert judged["loss"].value is None  # as it is
    assert CLASSIFICATION.rank([blind, blind]) == [None, None]
