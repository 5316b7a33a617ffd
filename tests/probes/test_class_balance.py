"""Class weights and oversampling: batches, losses, settings, and what they do for rare classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from cnnbench.data.augmentation import Augment
from cnnbench.data.pipeline import TrainingBatches, unchanged
from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.settings import AccuracySetting, AccuracySpec
from cnnbench.probes.interface import Context
from cnnbench.suite import plan, suite
from cnnbench.tasks.classification import ClassificationOptions
from cnnbench.tasks.classification.objective import ClassificationObjective, cross_entropy
from tests.probes.small import SmallNet

LABELS = np.array([0] * 6 + [1] * 2 + [2])


def objective(**options: Any) -> ClassificationObjective:
    return ClassificationObjective("abc", "letters", ClassificationOptions(**options))


def batches(**options: Any) -> TrainingBatches:
    """Return batches of images whose pixels are their index."""
    images = np.arange(9, dtype=np.uint8).reshape(9, 1, 1, 1)
    one = objective(**options)
    balance = one.image_weights(LABELS), one.drawn(LABELS)
    return TrainingBatches(images, LABELS, 3, Augment(), unchanged, unchanged, *balance)


def test_by_default_every_image_comes_once_and_has_no_weight() -> None:
    found = list(batches().epoch(0, 0))
    assert [len(batch) for batch in found] == [2, 2, 2]
    seen = np.concatenate([np.asarray(images).ravel() for images, _ in found])
    assert sorted(seen) == list(range(9))
    # The order of published trainings.
    assert seen.tolist() == np.random.default_rng((0, 0)).permutation(9).tolist()


def test_balanced_weights_have_the_same_sum_for_every_class_and_a_mean_of_one() -> None:
    weights: dict[int, set[float]] = {}
    for images, labels, own in batches(class_weights="balanced").epoch(0, 0):
        assert np.array_equal(LABELS[np.asarray(images, int).ravel()], labels)
        for label, weight in zip(np.asarray(labels), np.asarray(own), strict=True):
            weights.setdefault(int(label), set()).add(float(weight))
    assert weights == {0: {0.5}, 1: {1.5}, 2: {3.0}}


def test_oversampling_shows_every_class_as_often_as_the_most_frequent() -> None:
    training = batches(oversample=True)
    assert (training.steps, training.n_images) == (6, 18)
    pairs = [(np.asarray(i, int).ravel(), np.asarray(t)) for i, t in training.epoch(0, 0)]
    seen, labels = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    assert np.bincount(labels).tolist() == [6, 6, 6]
    assert np.bincount(seen).tolist() == [1] * 6 + [3, 3] + [6]


@pytest.mark.parametrize("kind", ["softmax", "logits", "sigmoids", "sigmoid", "logit"])
def test_the_loss_of_every_kind_of_output_is_of_single_images(kind: Any) -> None:
    """A loss that is already a mean would take the mean of the weights, too."""
    import tensorflow as tf

    width = 1 if kind in ("sigmoid", "logit") else 2
    given = tf.constant([[0.2, 0.8], [0.6, 0.4]])[:, -width:]
    labels = tf.one_hot([0, 1], 2)
    loss = cross_entropy(kind)
    first, second = (float(loss(labels, given, tf.constant(w))) for w in ([2.0, 0.0], [0.0, 2.0]))
    assert (first + second) / 2 == pytest.approx(float(loss(labels, given)))
    alone = float(loss(labels[:1], given[:1]))
    assert first == pytest.approx(alone) and first != pytest.approx(second)


@pytest.fixture(scope="module")
def unbalanced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder of 8 × 8 px digits: 87 eights to train on and 8 nines; 87 of each to test."""
    folder = tmp_path_factory.mktemp("unbalanced")
    digits = load_digits()
    for name, train in (("8", 87), ("9", 8)):
        images = np.rint(digits.images[digits.target == int(name)] * 255 / 16).astype(np.uint8)
        for split, part in (("train", images[87 : 87 + train]), ("test", images[:87])):
            (folder / "digits" / split / name).mkdir(parents=True)
            for number, image in enumerate(part):
                Image.fromarray(image).save(folder / "digits" / split / name / f"{number}.png")
    return folder


def recall_of_the_rare(folder: Path, **wording: Any) -> float:
    schedule = {"image_size": 8, "epochs": 12, "batch_size": 16, "learning_rate": 0.01}
    setting = AccuracySetting.model_validate(
        {"dataset": "folder:digits", "task": "classification", **schedule, **wording}
    )
    context = Context(0, folder, folder, search_path=(folder,))
    subject: Any = SmallNet()
    found = accuracy.run(subject, setting, context)
    assert found.details["n_test"] == 174
    _, rare = found.details["confusion"]
    return float(rare[1] / sum(rare))


@pytest.mark.slow
def test_both_find_more_of_a_rare_class(unbalanced: Path) -> None:
    plain = recall_of_the_rare(unbalanced)
    weighted = recall_of_the_rare(unbalanced, class_weights="balanced")
    oversampled = recall_of_the_rare(unbalanced, oversample=True)
    assert min(weighted, oversampled) > plain + 0.2, (plain, weighted, oversampled)


def test_keys_and_labels_state_them_only_where_they_are_set() -> None:
    plain = AccuracySetting(dataset="digits", image_size=8)
    assert not {"class_weights", "oversample"} & set(plain.model_dump(mode="json"))
    weighted = AccuracySetting.model_validate(
        {
            "dataset": "digits",
            "image_size": 8,
            "task": "classification",
            "class_weights": "balanced",
        }
    )
    assert weighted.label() == "digits/scratch/class_weights=balanced"
    assert weighted.model_dump(mode="json")["class_weights"] == "balanced"


def test_both_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="both balance the classes: set one"):
        AccuracySpec.model_validate(
            {"dataset": "digits", "class_weights": "balanced", "oversample": True}
        )


@pytest.mark.parametrize(
    ("option", "value"),
    [("class_weights", "balanced"), ("oversample", True), ("dice_weight", 0.5)],
)
def test_a_network_that_is_not_trained_takes_none_of_them(option: str, value: object) -> None:
    entry = {"dataset": "folder:photos", "recipe": "pretrained"}
    with pytest.raises(ValueError, match=f"{option}: recipe: pretrained trains nothing"):
        AccuracySpec.model_validate(entry | {option: value})
    AccuracySpec.model_validate(entry | {"ignored_classes": [1]})


def test_a_detector_is_refused_when_planned(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(
        "name: s\nmodels: [BasicCNN+yolo]\n"
        "probes:\n  accuracy:\n    - {dataset: scenes, oversample: true}\n"
    )
    with pytest.raises(UserError, match="oversample is an option of classification"):
        plan.plan(suite.load(file, registry))
