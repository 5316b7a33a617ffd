"""Which models an entry trains, and for which task: found when a suite is planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnbench.errors import UserError, UserErrors
from cnnbench.models import registry
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.suite import suite as suites
from cnnbench.suite import yaml_source
from cnnbench.suite.plan import Plan, plan

SCENES = "scenes[objects=1,px=64,sides=10-44]"


def planned(models: str, entries: str, folder: Path | None = None) -> Plan:
    text = f"name: tasks\nmodels: [{models}]\nprobes:\n  accuracy:\n{entries}"
    places = (folder,) if folder else ()
    return plan(suites.check(yaml_source.parse(text, "s.yaml"), registry, places))


def trainings(found: Plan) -> list[tuple[str, str]]:
    return [(cell.model.label, cell.setting.task) for cell in found.cells]  # type: ignore[attr-defined]


def mistakes(models: str, entries: str, folder: Path | None = None) -> list[str]:
    with pytest.raises(UserError) as caught:
        planned(models, entries, folder)
    error = caught.value
    return [one.one_line() for one in (error.errors if isinstance(error, UserErrors) else [error])]


def test_an_entry_trains_each_model_for_its_own_task() -> None:
    found = planned("BasicCNN, BasicCNN+box", f"    - {{dataset: '{SCENES}'}}\n")
    assert trainings(found) == [("BasicCNN", "classification"), ("BasicCNN+box", "localization")]
    keys = [cell.setting_json for cell in found.cells]
    assert ["task" in one for one in keys] == [False, True]
    assert ["target_top1" in one for one in keys] == [True, False]
    assert [cell.setting.label() for cell in found.cells] == [
        f"{SCENES}/scratch",
        f"{SCENES}/scratch/task=localization",
    ]


def test_an_entry_leaves_out_models_that_its_data_set_cannot_serve_and_names_them() -> None:
    found = planned("LeNet5, BasicCNN+box", "    - {dataset: digits}\n")
    assert trainings(found) == [("LeNet5", "classification")]
    assert found.notes(found.cells) == ["accuracy: no entry applies to BasicCNN+box (localization)"]
    on_purpose = planned("LeNet5, BasicCNN+box", "    - {dataset: digits, models: [LeNet5]}\n")
    assert on_purpose.notes(on_purpose.cells) == []
    both = planned(
        "LeNet5, BasicCNN+box",
        f"    - {{dataset: digits}}\n    - {{dataset: '{SCENES}', task: localization}}\n",
    )
    assert trainings(both) == [("LeNet5", "classification"), ("BasicCNN+box", "localization")]
    assert both.notes(both.cells) == []


def test_an_entry_that_serves_no_model_is_a_mistake_with_its_line() -> None:
    (line,) = mistakes(
        "LeNet5, BasicCNN+box",
        "    - {dataset: digits, models: [LeNet5]}\n"
        "    - {dataset: scenes, task: classification}\n",
    )
    assert line == (
        "s.yaml:6: it serves no model: LeNet5 is for classification, which needs one class for "
        "each image; scenes has boxes and instance masks and semantic masks and serves "
        "localization, detection, segmentation, instance_segmentation, as for 1 more (name another "
        "data set, or another model)"
    )


def test_a_listed_model_that_cannot_be_served_is_a_mistake_with_its_line() -> None:
    (line,) = mistakes(
        "LeNet5, BasicCNN+box",
        "    - dataset: digits\n      models:\n        - LeNet5\n        - BasicCNN+box\n",
    )
    assert line.startswith(
        "s.yaml:8: BasicCNN+box is for localization, which needs boxes; digits has one class for "
        "each image and serves classification"
    )
    (line,) = mistakes(
        "LeNet5, BasicCNN+box",
        f"    - {{dataset: '{SCENES}', task: localization, models: [LeNet5]}}\n",
    )
    assert "s.yaml:5: LeNet5 is for classification, and the entry says task: localization" in line


def test_a_classifier_that_slides_is_not_trained_but_named() -> None:
    models = "LeNet5, 'LeNet5+slide[input_shape=64x64x1]', 'LeNet5+crops[input_shape=64x64x1]'"
    found = planned(models, "    - {dataset: digits}\n")
    assert trainings(found) == [("LeNet5", "classification")]
    (note,) = found.notes(found.cells)
    assert "LeNet5+slide[input_shape=64x64x1]" in note and "LeNet5+crops" in note
    entry = "    - {dataset: digits, models: ['LeNet5+slide[input_shape=64x64x1]']}\n"
    (line,) = mistakes(models, entry)
    assert line == (
        "s.yaml:5: LeNet5+slide[input_shape=64x64x1] slides LeNet5 over larger images "
        "(train the classifier, LeNet5)"
    )


def test_a_users_own_network_is_trained_for_the_task_that_the_entry_states(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def net(input_shape=(32, 32, 1), classes=10): ...\n")
    entry = f"    - {{dataset: '{SCENES}', task: localization}}\n"
    found = planned("'own.py:net', BasicCNN, BasicCNN+box", entry, tmp_path)
    assert trainings(found) == [("own:net", "localization"), ("BasicCNN+box", "localization")]
    assert found.notes(found.cells) == ["accuracy: no entry applies to BasicCNN (classification)"]
    without = planned("'own.py:net'", f"    - {{dataset: '{SCENES}'}}\n", tmp_path)
    assert trainings(without) == [("own:net", "classification")]


def test_fewer_classes_in_the_name_than_in_the_data_set_are_a_mistake() -> None:
    (line,) = mistakes("'BasicCNN+box[classes=4]'", f"    - {{dataset: '{SCENES}'}}\n")
    assert line.startswith("s.yaml:5: BasicCNN+box[classes=4]: ")
    assert "has a head for 4 classes, but the data set has 10 (write classes=10" in line
    assert trainings(planned("'BasicCNN+box[classes=10]'", f"    - {{dataset: '{SCENES}'}}\n"))


def test_options_go_to_the_models_of_their_task_and_into_their_keys_and_labels() -> None:
    found = planned(
        "BasicCNN, BasicCNN+box",
        f"    - {{dataset: '{SCENES}', sqrt: false, loss_weights: [0.8, 0.2], validation: 0.1, "
        "target_top1: 0.9, target_mean_iou: 0.5}\n",
    )
    classifier, localiser = (cell.setting for cell in found.cells)
    assert classifier.label() == f"{SCENES}/scratch/validation=0.1/target_top1=0.9"
    assert localiser.label() == (
        f"{SCENES}/scratch/task=localization/validation=0.1"
        "/sqrt=False/loss_weights=0.8:0.2/target_mean_iou=0.5"
    )
    written = localiser.model_dump(mode="json")
    assert (written["sqrt"], written["loss_weights"]) == (False, [0.8, 0.2])
    assert "options" not in written and "target_top1" not in written
    assert AccuracySetting.model_validate(written) == localiser
    assert hash(AccuracySetting.model_validate(written)) == hash(localiser)
    assert not {"sqrt", "loss_weights"} & classifier.model_dump(mode="json").keys()


def test_options_at_their_defaults_are_in_no_key() -> None:
    entry = f"    - {{dataset: '{SCENES}', sqrt: true, fit: stretch}}\n"
    plain = f"    - {{dataset: '{SCENES}'}}\n"
    (with_defaults,) = planned("BasicCNN+box", entry).cells
    (without,) = planned("BasicCNN+box", plain).cells
    assert with_defaults.key == without.key


def test_a_fit_of_pictures_is_named_where_it_is_not_the_tasks() -> None:
    found = planned("BasicCNN, BasicCNN+box", f"    - {{dataset: '{SCENES}', fit: stretch}}\n")
    assert [cell.setting.label() for cell in found.cells] == [
        f"{SCENES}/scratch/fit=stretch",
        f"{SCENES}/scratch/task=localization",
    ]
    assert [cell.setting.picture_fit for cell in found.cells] == ["stretch", "stretch"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("models", "entry", "complaint"),
    [
        ("BasicCNN+box", "sqr: false", "s.yaml:5: unknown key 'probes.accuracy.0.sqr' (did you "),
        ("BasicCNN+box", "options: 3", "s.yaml:5: unknown key 'probes.accuracy.0.options'"),
        ("BasicCNN+box", "options: [[sqrt, false]]", "unknown key 'probes.accuracy.0.options'"),
        ("BasicCNN+box", "loss_weights: [1]", "s.yaml:5: probes.accuracy.0.loss_weights: "),
        ("BasicCNN", "sqrt: false", "s.yaml:5: sqrt is an option of localization; its models are "
         "for classification (omit sqrt)"),
        ("BasicCNN", "task: classification, sqrt: false", "sqrt: not an option of classification"),
        ("BasicCNN+box", "target_mean_iou: 0.5", "target_mean_iou needs validation images"),
        ("BasicCNN+box", "augment: {rotation: 0.1}", "augment.rotation, for localization: boxes "
         "cannot be rotated without the masks of their objects"),
        ("BasicCNN+box", "fit: squeeze", "'squeeze' should be 'crop', 'stretch' or 'letterbox'"),
        ("BasicCNN+box", "recipe: transfer, dropout: 0.5", "dropout belongs to the new head"),
        ("MobileNetV2+box", "image_size: 16", "image_size is 16, but it takes at least 32 px"),
    ],
)  # fmt: skip
def test_a_mistake_is_explained_with_its_line(models: str, entry: str, complaint: str) -> None:
    lines = mistakes(models, f"    - {{dataset: '{SCENES}', {entry}}}\n")
    assert complaint in "\n".join(lines)
    assert all(line.startswith("s.yaml:5: ") for line in lines)


def test_wrong_options_hide_no_other_mistake_of_their_entry() -> None:
    entry = (
        f"    - dataset: '{SCENES}'\n      sqrt: maybe\n      epochs: 0\n      loss_weights:\n"
        "        [1]\n      target_top1: 3\n      recip: scratch\n"
    )
    found = mistakes("BasicCNN+box", entry)
    assert [line.split(": ")[:2] for line in found] == [
        ["s.yaml:6", "probes.accuracy.0.sqrt"],
        ["s.yaml:7", "probes.accuracy.0.epochs"],
        ["s.yaml:8", "probes.accuracy.0.loss_weights"],
        ["s.yaml:10", "probes.accuracy.0.target_top1"],
        ["s.yaml:11", "unknown key 'probes.accuracy.0.recip' (did you mean 'recipe'?)"],
    ]


def test_options_of_another_task_are_named_together() -> None:
    options = "task: classification, epochs: 0, sqrt: false, loss_weights: [1, 10]"
    assert mistakes("BasicCNN", f"    - {{dataset: '{SCENES}', {options}}}\n") == [
        "s.yaml:5: probes.accuracy.0.epochs: 0 should be greater than or equal to 1",
        "s.yaml:5: probes.accuracy.0.sqrt: not an option of classification",
        "s.yaml:5: probes.accuracy.0.loss_weights: not an option of classification",
    ]


def test_an_unknown_task_makes_no_option_unknown() -> None:
    (line,) = mistakes("BasicCNN", f"    - {{dataset: '{SCENES}', task: foo, sqrt: false}}\n")
    assert line.startswith("s.yaml:5: probes.accuracy.0.task: unknown task 'foo'")


def test_the_parameters_of_a_data_set_are_written_in_one_way() -> None:
    spaced = planned("BasicCNN", "    - {dataset: 'scenes[px=64, objects=1,  sides=10-44]'}\n")
    plain = planned("BasicCNN", f"    - {{dataset: '{SCENES}'}}\n")
    assert spaced.id == plain.id


def test_compression_trains_as_the_accuracy_probe_does() -> None:
    text = (
        "name: tasks\nmodels: [BasicCNN, BasicCNN+box]\nprobes:\n"
        "  compression:\n    training: {dataset: digits}\n    variants: [ptq-int8]\n"
    )
    found = plan(suites.check(yaml_source.parse(text, "s.yaml"), registry, ()))
    assert {cell.model.label for cell in found.cells} == {"BasicCNN"}
    assert "compression: no entry applies to BasicCNN+box (localization)" in found.notes(
        found.cells
    )
    with pytest.raises(UserError, match=r"s\.yaml:5: sqrt is an option of localization"):
        wrong = text.replace("digits}", "digits, sqrt: false}")
        plan(suites.check(yaml_source.parse(wrong, "s.yaml"), registry, ()))
