"""Sweeps and grids in suites: what they stand for, and how their mistakes are reported."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from cnnbench.errors import UserError, UserErrors
from cnnbench.models import registry
from cnnbench.suite import suite as suites
from cnnbench.suite import yaml_source
from cnnbench.suite.plan import plan
from tests.cli.test_run import cnnbench


def read(models: str, probes: str = "{static: }") -> suites.Suite:
    text = f"name: sweeps\nmodels:{models}\nprobes: {probes}\n"
    return suites.check(yaml_source.parse(text, "s.yaml"), registry)


def labels(models: str) -> list[str]:
    return [model.label for model in read(models).models]


def complaints(models: str, probes: str = "{static: }") -> list[str]:
    with pytest.raises(UserError) as caught:
        plan(read(models, probes))
    error = caught.value
    return [e.one_line() for e in (error.errors if isinstance(error, UserErrors) else (error,))]


FOUR = [
    f"MobileNetV2[alpha={alpha},input_shape={size}x{size}x3]"
    for alpha in (0.35, 0.5)
    for size in (96, 128)
]


@pytest.mark.parametrize(
    "models",
    [
        ' ["MobileNetV2[alpha={0.35,0.5},input_shape={96,128}]"]',
        " {grid: MobileNetV2, alpha: [0.35, 0.5], input_shape: [96, 128x128]}",
        " [{grid: MobileNetV2, alpha: [0.35, 0.5], input_shape: [96x96x3, [128, 128]]}]",
        ' {grid: "MobileNetV2[alpha={0.35,0.5}]", input_shape: [96, 128]}',
        "\n  grid: MobileNetV2\n  alpha: [0.35, 0.5]\n  input_shape: [96, 128]",
        "\n  - MobileNetV2[alpha={0.35,0.5},input_shape={96,128}]",
    ],
)
def test_the_same_models_as_a_sweep_and_as_a_grid(models: str) -> None:
    assert labels(models) == FOUR


def test_names_sweeps_and_grids_are_mixed_in_the_order_of_the_file() -> None:
    found = labels(' [LeNet5, "EfficientNetLite{0..1}", {grid: VGG16, classes: [3, 4]}, AlexNet]')
    names = ["VGG16[classes=3]", "VGG16[classes=4]", "AlexNet"]
    assert found == ["LeNet5", "EfficientNetLite0", "EfficientNetLite1", *names]


def test_heads_are_alternatives_too() -> None:
    assert labels(' ["BasicCNN+{yolo,ssdlite}"]') == ["BasicCNN+yolo", "BasicCNN+ssdlite"]


def test_all_mistakes_of_all_combinations_are_reported_with_their_lines() -> None:
    lines = complaints("""
  - LeNet5
  - "MobileNetV2[alpha={0.35,0.5},input_shape={16,96}]"
  - {grid: EfficientNetLite0, input_shape: [96, 128], alhpa: [1, 2]}
  - "EfficientNetLite{4..5}"
  - {BasicCNN, AlexNet}
  - "LeNet{4,5"
  - lenet{5,5}[classes=3]
  - 3""")
    assert lines == [
        "s.yaml:4: MobileNetV2[alpha=0.35,input_shape=16] (and 1 more combination): MobileNetV2 "
        "cannot be built at 16x16x3 (its smallest size is 32x32)",
        "s.yaml:5: EfficientNetLite0[alhpa=1,input_shape=96] (and 3 more combinations): "
        "EfficientNetLite0 takes no parameter 'alhpa' (it takes input_shape, classes, "
        "classifier_activation)",
        "s.yaml:6: unknown model 'EfficientNetLite5' (did you mean 'EfficientNetLite4'?)",
        "s.yaml:7: {'BasicCNN': None, 'AlexNet': None} is a mapping without 'grid' (a model is a "
        "name, or a grid as {grid: MobileNetV2, alpha: [0.35, 0.5]}; put names with braces or "
        "brackets between quotes)",
        "s.yaml:8: 'LeNet{4,5' has a '{' without its '}' (for example 'Net[alpha={0.35,0.5}]')",
        "s.yaml:9: 'lenet5[classes=3]' is the same model as 'lenet5[classes=3]'",
        "s.yaml:10: models.7: 3 should be a model's name or a grid",
    ]


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (" [MobileNetV2[alpha={0.35,0.5}]]", "s.yaml:2: not valid YAML: "),
        (" [MobileNetV2[alpha={0.35,0.5}]]", "a model's name with brackets or braces needs quotes"),
        (" [EfficientNetLite{0..4}]", "a model's name with brackets or braces needs quotes"),
        (" [{VGG16,VGG19}+yolo]", "a model's name with brackets or braces needs quotes"),
        ("\n  - {VGG16,VGG19}+yolo", "a model's name with brackets or braces needs quotes"),
        (" {VGG16, VGG19}", "put names with braces or brackets between quotes"),
        (" LeNet5", "s.yaml:2: models: 'LeNet5' should be a list of names and grids"),
        (" []", "models: [] should have at least 1 item"),
        (' ["VGG16[classes={1..900}]", "VGG19[classes={1..900}]"]', "more than 1,000 models"),
    ],
)  # fmt: skip
def test_mistakes_in_the_list_of_models(models: str, words: str) -> None:
    assert words in "\n".join(complaints(models))


def test_entries_apply_to_sweeps_of_the_suites_models() -> None:
    found = read(
        ' ["MobileNetV2[alpha={0.35,0.5},input_shape={96,128}]"]',
        '{static: {models: ["MobileNetV2[input_shape={96x96x3,128},alpha=.35]"]}}',
    )
    ((_, spec),) = found.probes
    assert spec.models == FOUR[:2]


def test_an_entry_names_the_models_that_the_suite_lacks_with_their_line() -> None:
    lines = complaints(
        ' ["EfficientNetLite{0..1}", AlexNet]',
        "\n  accuracy:\n    models:\n      - EfficientNetLite{0..3}\n    dataset: digits",
    )
    words = "is not in the suite's models (did you mean 'EfficientNetLite1'?)"
    assert lines == [f"s.yaml:6: 'EfficientNetLite{n}' {words}" for n in (2, 3)]


def test_a_misfit_behind_a_sweep_is_reported_at_its_own_line() -> None:
    lines = complaints(
        ' ["VGG{11,13}", BasicCNN+yolo]',
        textwrap.dedent("""
          accuracy:
            dataset: digits
            models:
              - VGG{11,13}
              - BasicCNN+yolo
        """).replace("\n", "\n  "),
    )
    assert len(lines) == 1
    assert lines[0].startswith("s.yaml:8: BasicCNN+yolo")


def test_only_takes_sweeps_and_other_ways_to_write_a_model() -> None:
    planned = plan(read(' ["MobileNetV2[alpha={0.35,0.5},input_shape={96,128}]", LeNet5]'))
    part = planned.part(only=["mobilenet_v2[input_shape={96,128x128},alpha=0.5]"])
    assert [cell.model.label for cell in part] == FOUR[2:]
    with pytest.raises(UserError, match=r"--only: 'MobileNetV2\[alpha=0.7\]' is not in this suite"):
        planned.part(only=["MobileNetV2[alpha={0.7}]"])


def test_the_command_line_takes_sweeps_of_suites_and_refuses_those_of_one_model(
    tmp_path: Path,
) -> None:
    (tmp_path / "s.yaml").write_text(
        "name: s\nmodels: {grid: LeNet5, classes: [3, 4]}\nprobes: {static: }\n"
    )
    done = cnnbench(tmp_path, "run", "s.yaml", "--dry-run", "--only", "LeNet5[classes={4}]")
    assert done.returncode == 0, done.stderr
    assert "LeNet5[classes=4] static" in done.stdout
    assert "classes=3" not in done.stdout
    refused = cnnbench(tmp_path, "inspect", "LeNet5[classes={3,4}]")
    assert refused.returncode == 2
    assert "is a sweep of 2 models, where one is expected" in refused.stderr
    assert "Traceback" not in refused.stderr
