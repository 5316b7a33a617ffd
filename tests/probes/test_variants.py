"""Settings of the compression probe: names of variants, and the message for every mistake."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnbench.errors import UserError, UserErrors
from cnnbench.models import registry
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.compression.steps.clustering import MOST_CLUSTERS, Clustering
from cnnbench.probes.compression.steps.pruning import Pruning
from cnnbench.probes.compression.steps.quantisation import QUANTISATIONS, Quantisation
from cnnbench.probes.compression.variants import Variant, canonical, parse
from tests.suite.fake import plan_of

_SUITE = """
name: s
models: [Alpha, Beta]
probes:
  compression:
"""


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("float32", Variant()),
        ("ptq-dynamic", Variant((Quantisation("ptq-dynamic"),))),
        ("qat-int8", Variant((Quantisation("qat-int8"),))),
        ("pruned-80", Variant((Pruning(0.8),))),
        ("pruned-87.5", Variant((Pruning(0.875),))),
        ("pruned-2x4", Variant((Pruning(0.5, two_of_four=True),))),
        ("clustered-16", Variant((Clustering(16),))),
        ("Pruned-50 + PTQ-int8", Variant((Pruning(0.5), Quantisation("ptq-int8")))),
        (
            "pruned-2x4+clustered-8+qat-int8",
            Variant((Pruning(0.5, two_of_four=True), Clustering(8), Quantisation("qat-int8"))),
        ),
    ],
)
def test_reads_a_variant(text: str, meaning: Variant) -> None:
    assert parse(text) == meaning
    assert parse(str(meaning)) == meaning


@given(
    pruning=st.none() | st.integers(1, 999).map(lambda n: Pruning(n / 1000)),
    clustering=st.none() | st.integers(2, MOST_CLUSTERS).map(Clustering),
    quantisation=st.none() | st.sampled_from(QUANTISATIONS).map(Quantisation),
)
def test_reads_back_the_name_of_any_variant(
    pruning: Pruning | None, clustering: Clustering | None, quantisation: Quantisation | None
) -> None:
    steps = (pruning, clustering, quantisation)
    variant = Variant(tuple(step for step in steps if step is not None))
    again = parse(str(variant))
    if pruning is not None:
        found = again.step(Pruning)
        assert found is not None
        assert found.sparsity == pytest.approx(pruning.sparsity)
    assert (again.step(Clustering), again.step(Quantisation)) == (clustering, quantisation)
    assert canonical(str(variant)) == str(variant)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ptq-int9", "did you mean 'ptq-int8'"),
        ("prunned-50", "did you mean 'pruned-50'"),
        ("pruned", "did you mean 'pruned-50'"),
        ("clustered-x", "did you mean 'clustered-16'"),
        ("pruned-120", "sparsity 120 % is out of range"),
        ("pruned--5", "sparsity -5 % is out of range"),
        ("pruned-0", "more than 0 and less than 100"),
        ("pruned-100", "more than 0 and less than 100"),
        ("clustered-1", "2 to 256"),
        ("clustered-2.5", "a whole number"),
        ("qat-int8+pruned-50", "steps in the wrong order"),
        ("ptq-int8+qat-int8", "duplicate step"),
        ("pruned-50+pruned-2x4", "duplicate step"),
        ("float32+ptq-int8", "float32 cannot be combined"),
        ("", "unknown variant ''"),
        ("pruned-50+", "unknown variant"),
        ("pruned-1e9", "unknown variant"),
        ("9" * 10_000, "unknown variant"),
    ],
)
def test_names_a_mistake(text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(text)
    assert words in caught.value.one_line()


def test_reports_all_mistakes_of_a_suite_with_their_lines() -> None:
    with pytest.raises(UserErrors) as caught:
        plan_of(
            _SUITE
            + """
    variants:
      - ptq-int9
      - pruned-120
    training: {dataset: digts}
    representative: 0
    varants: 1
"""
        )
    lines = caught.value.one_line().splitlines()
    assert [line.split(":")[1] for line in lines] == ["8", "9", "10", "11", "12"]
    assert "did you mean 'digits'" in lines[2]
    assert "did you mean 'variants'" in lines[4]


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ("recipe: pretrained", "'pretrained' should be 'scratch' or 'transfer'"),
        ("seeds: 3", "unknown key 'probes.compression.training.seeds'"),
    ],
)
def test_reports_an_option_that_this_training_does_not_have(training: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        plan_of(f"{_SUITE}\n    training:\n      dataset: folder:x\n      {training}\n")
    (line,) = caught.value.one_line().splitlines()
    assert line.startswith("s.yaml:9: ")
    assert words in line


def test_variants_share_the_trained_model_and_include_float32() -> None:
    plan = plan_of(
        _SUITE
        + """
    training: {dataset: digits, image_size: 32}
    variants: [Pruned-50.0, ptq-int8]
"""
    )
    cells = [cell for cell in plan.cells if cell.model.label == "Alpha"]
    converted = [cell.variant for cell in cells if cell.setting.stage() == 1]
    assert converted == ["float32", "pruned-50", "ptq-int8"]
    assert {cell.input_and_classes for cell in cells} == {((32, 32, 3), 10)}
    stages = [cell.setting.stage() for cell in plan.cells]
    assert stages == sorted(stages), "a part comes after those it needs"


def test_a_key_contains_only_what_decides_the_file() -> None:
    """The number of representative images changes the int8 file, not the pruned one."""
    text = _SUITE + "\n    variants: [ptq-int8, pruned-50]\n    representative: {}\n"
    few, many = (plan_of(text.format(count)) for count in (20, 50))
    changed = {(a.variant) for a, b in zip(few.cells, many.cells, strict=True) if a.key != b.key}
    assert changed == {"ptq-int8"}


def test_rejects_duplicates_and_contradictions() -> None:
    with pytest.raises(UserError, match="duplicate value 'pruned-50'"):
        plan_of(_SUITE + "\n    variants: [pruned-50, pruned-50.0]\n")
    with pytest.raises(UserError, match="min_rounds is 5, more than max_rounds, 2"):
        plan_of(_SUITE + "\n    min_rounds: 5\n    max_rounds: 2\n")
    with pytest.raises(UserError, match="the data they were trained on"):
        plan_of(_SUITE + "\n    weights: w.weights.h5\n")


@pytest.mark.parametrize(
    ("training", "classes", "interface"),
    [
        (None, 0, ((32, 32, 1), 10)),
        ({"image_size": 28}, 7, ((28, 28, 1), 7)),
        ({"image_size": "own", "recipe": "transfer"}, 7, ((32, 32, 1), 7)),
    ],
)
def test_a_compressed_model_has_the_input_and_the_outputs_of_its_training(
    training: dict[str, Any] | None, classes: int, interface: tuple[tuple[int, ...], int]
) -> None:
    schedule = AccuracySetting(dataset="digits", **training) if training else None
    setting = CompressionSetting(part="train", training=schedule, classes=classes)
    assert setting.input_and_classes(registry.resolve("LeNet5", [])) == interface
