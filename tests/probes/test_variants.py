"""The words for what can be done to a network: what they mean, and every mistake in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnbench.errors import UserError, UserErrors
from cnnbench.probes.compression.variants import (
    MOST_CLUSTERS,
    QUANTISATIONS,
    Variant,
    canonical,
    parse,
)
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
        ("ptq-dynamic", Variant(quantisation="ptq-dynamic")),
        ("qat-int8", Variant(quantisation="qat-int8")),
        ("pruned-80", Variant(sparsity=0.8)),
        ("pruned-87.5", Variant(sparsity=0.875)),
        ("pruned-2x4", Variant(sparsity=0.5, two_of_four=True)),
        ("clustered-16", Variant(clusters=16)),
        ("Pruned-50 + PTQ-int8", Variant(sparsity=0.5, quantisation="ptq-int8")),
        (
            "pruned-2x4+clustered-8+qat-int8",
            Variant(sparsity=0.5, two_of_four=True, clusters=8, quantisation="qat-int8"),
        ),
    ],
)
def test_what_a_variant_means(text: str, meaning: Variant) -> None:
    assert parse(text) == meaning
    assert parse(str(meaning)) == meaning


@given(
    sparsity=st.none() | st.integers(1, 999).map(lambda n: n / 1000),
    clusters=st.none() | st.integers(2, MOST_CLUSTERS),
    quantisation=st.sampled_from(["", *QUANTISATIONS]),
)
def test_a_variant_reads_back_what_it_writes(sparsity, clusters, quantisation) -> None:  # type: ignore[no-untyped-def]
    variant = Variant(sparsity=sparsity, clusters=clusters, quantisation=quantisation)
    again = parse(str(variant))
    assert again.sparsity == pytest.approx(variant.sparsity)
    assert (again.clusters, again.quantisation) == (clusters, quantisation)
    assert canonical(str(variant)) == str(variant)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ptq-int9", "did you mean 'ptq-int8'"),
        ("prunned-50", "did you mean 'pruned-50'"),
        ("pruned", "pruned-50, say"),
        ("clustered-x", "clustered-16, say"),
        ("pruned-120", "a sparsity of 120 %"),
        ("pruned--5", "a sparsity of -5 %"),
        ("pruned-0", "more than 0 and less than 100"),
        ("pruned-100", "more than 0 and less than 100"),
        ("clustered-1", "2-256"),
        ("clustered-2.5", "a whole number"),
        ("qat-int8+pruned-50", "another order"),
        ("ptq-int8+qat-int8", "a step stands there twice"),
        ("pruned-50+pruned-2x4", "a step stands there twice"),
        ("float32+ptq-int8", "float32 stands alone"),
        ("", "unknown variant ''"),
        ("pruned-50+", "unknown variant"),
        ("pruned-1e9", "unknown variant"),
        ("9" * 10_000, "unknown variant"),
    ],
)
def test_a_mistake_is_named(text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(text)
    assert words in caught.value.one_line()


def test_all_mistakes_of_a_suite_stand_at_their_lines() -> None:
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
        ("recipe: pretrained", "'pretrained': input should be 'scratch' or 'transfer'"),
        ("seeds: 3", "unknown key 'probes.compression.training.seeds'"),
    ],
)
def test_what_the_training_of_one_network_cannot_be_stands_at_its_line(
    training: str, words: str
) -> None:
    with pytest.raises(UserError) as caught:
        plan_of(f"{_SUITE}\n    training:\n      dataset: folder:x\n      {training}\n")
    (line,) = caught.value.one_line().splitlines()
    assert line.startswith("s.yaml:9: ")
    assert words in line


def test_variants_are_rows_of_the_trained_network_and_float32_is_always_one() -> None:
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
    assert {cell.model.classes for cell in cells} == {10}
    assert {cell.model.input_shape for cell in cells} == {(32, 32, 3)}
    stages = [cell.setting.stage() for cell in plan.cells]
    assert stages == sorted(stages), "what others need comes first"


def test_only_what_decides_a_file_is_in_its_key() -> None:
    """More representative images make another int8 file, but no other pruned one."""
    text = _SUITE + "\n    variants: [ptq-int8, pruned-50]\n    representative: {}\n"
    few, many = (plan_of(text.format(count)) for count in (20, 50))
    changed = {(a.variant) for a, b in zip(few.cells, many.cells, strict=True) if a.key != b.key}
    assert changed == {"ptq-int8"}


def test_a_variant_twice_and_rounds_in_the_wrong_order() -> None:
    with pytest.raises(UserError, match="duplicate value 'pruned-50'"):
        plan_of(_SUITE + "\n    variants: [pruned-50, pruned-50.0]\n")
    with pytest.raises(UserError, match="min_rounds is 5, more than max_rounds, 2"):
        plan_of(_SUITE + "\n    min_rounds: 5\n    max_rounds: 2\n")
    with pytest.raises(UserError, match="what were they trained on"):
        plan_of(_SUITE + "\n    weights: w.weights.h5\n")
