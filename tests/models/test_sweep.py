"""Sweeps: several names in one text, and the mapping of a grid."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnbench.errors import UserError
from cnnbench.models import registry, sweep
from cnnbench.named import show


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Net", ["Net"]),
        ("Net[a=1]+box", ["Net[a=1]+box"]),
        ("Lite{0..2}", ["Lite0", "Lite1", "Lite2"]),
        ("Lite{2..0}", ["Lite2", "Lite1", "Lite0"]),
        ("Net[size={96..160..32}]", ["Net[size=96]", "Net[size=128]", "Net[size=160]"]),
        ("Lite{0..1,4}", ["Lite0", "Lite1", "Lite4"]),
        ("{A,B}{1,2}", ["A1", "A2", "B1", "B2"]),
        ("{A{1,2},B}", ["A1", "A2", "B"]),
        ("Net[a={0.5, 1}]", ["Net[a=0.5]", "Net[a=1]"]),
        ("Net[a={0.5}]", ["Net[a=0.5]"]),
        ("Net[{a=1,b=2}]", ["Net[a=1]", "Net[b=2]"]),
        ("Net{,[a=1]}", ["Net", "Net[a=1]"]),
        ("Net+{box,yolo[grid={5,7}]}", ["Net+box", "Net+yolo[grid=5]", "Net+yolo[grid=7]"]),
        ("{A[a=1,b=2],B}", ["A[a=1,b=2]", "B"]),
        ("{../a,b}.py:net", ["../a.py:net", "b.py:net"]),
    ],
)
def test_expands_braces_as_a_shell_does(text: str, names: list[str]) -> None:
    assert sweep.expand(text) == names


@pytest.mark.parametrize(
    "text", ["Net[a='{1,2}']", 'Net[a="}"]', "{build}/net.keras", "a{}.py:net", "it's.keras"]
)
def test_braces_between_quotes_or_without_a_choice_are_text(text: str) -> None:
    assert sweep.expand(text) == [text]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Net[a={1,2]", "has a ']' before the '}' that closes its braces"),
        ("Net[a={1,2", "has a '{' without its '}'"),
        ("Lite{0..4", "has a '{' without its '}'"),
        ("Lite0..4}", "has a '}' without a '{' before it"),
        ("{A[a=1,B}", "has a '[' without its ']' between braces"),
        ("Net[a={}]", "has empty braces"),
        ("{" * 30, "has too many braces in one another"),
        ("Net[a={0.1..0.5}]", "'0.1..0.5' in 'Net[a={0.1..0.5}]' is not a range of whole numbers"),
        ("Lite{a..e}", "is not a range of whole numbers (write for example {0..4}"),
        ("Lite{0..8..0}", "is not a range of whole numbers"),
        ("Net[a={1..1001}]", "has 1,001 combinations, more than 1,000"),
        ("{0..999999999}" * 9, "combinations, more than 1,000"),
        ("{" + "a" * 5000 + "}", "is too long for a sweep"),
    ],
)
def test_rejects_malformed_and_endless_sweeps(text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        sweep.expand(text)
    assert words in str(caught.value)


PLAIN = st.text(st.characters(exclude_characters="{}[],'\"", exclude_categories=["Cs"]), max_size=6)
WORDS = st.lists(st.from_regex(r"[A-Za-z][\w ]{0,4}\w", fullmatch=True), min_size=2, max_size=4)


@given(st.lists(st.tuples(PLAIN, WORDS), min_size=1, max_size=3), PLAIN)
def test_yields_every_combination_once_and_in_order(
    pieces: list[tuple[str, list[str]]], end: str
) -> None:
    text = "".join(f"{before}{{{','.join(words)}}}" for before, words in pieces) + end
    chosen = itertools.product(*([before + word for word in words] for before, words in pieces))
    assert sweep.expand(text) == ["".join(choice) + end for choice in chosen]


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 9))
def test_a_range_includes_its_ends_in_both_directions(first: int, last: int, step: int) -> None:
    step_by = step if first <= last else -step
    numbers = range(first, last + (1 if first <= last else -1), step_by)
    assert sweep.expand(f"N{{{first}..{last}..{step}}}") == [f"N{number}" for number in numbers]


@given(st.text(alphabet="{}[],'\"=.0123ab+\\ ", max_size=40) | st.text())
def test_any_text_is_expanded_or_rejected_with_a_user_error(text: str) -> None:
    try:
        names = sweep.expand(text)
    except UserError as error:
        assert error.what
    else:
        assert 1 <= len(names) <= sweep.MOST


@given(st.text(max_size=20))
def test_a_shown_value_is_no_sweep(value: str) -> None:
    text = f"Net[a={show(value)}]"
    assert sweep.expand(text) == [text]


@pytest.mark.parametrize(
    ("grid", "names"),
    [
        ({"grid": "Net"}, ["Net"]),
        ({"grid": "Net", "b": [1, 2], "a": 0.5}, ["Net[a=0.5,b=1]", "Net[a=0.5,b=2]"]),
        (
            {"grid": "Net", "input_shape": [96, "96x64", [96, 64, 1]]},
            ["Net[input_shape=96]", "Net[input_shape=96x64]", "Net[input_shape=96x64x1]"],
        ),
        ({"grid": "Net[a=1]+{box,yolo}", "classes": 3},
         ["Net[a=1]+box[classes=3]", "Net[a=1]+yolo[classes=3]"]),
        ({"grid": ["Lite{0..1}", "Net"], "a": True},
         ["Lite0[a=true]", "Lite1[a=true]", "Net[a=true]"]),
        ({"grid": "Net", "a": ["swish", None, "x, {y}"]},
         ["Net[a=swish]", "Net[a=none]", "Net[a='x, {y}']"]),
    ],
)  # fmt: skip
def test_a_grid_adds_its_parameters_to_the_last_brackets(
    grid: dict[str, Any], names: list[str]
) -> None:
    assert sweep.of_grid(grid) == names


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"A": None, "B": None}, "put names with braces or brackets between quotes"),
        ({"gird": "Net", "a": 1}, "without 'grid' (did you mean 'grid'?)"),
        ({"grid": 3}, "grid: 3 should be the name of a model"),
        ({"grid": []}, "grid: [] should be the name of a model"),
        ({"grid": "Net[a=1]", "a": 2}, "'a' is given in 'Net[a=1]' and as a key of its grid"),
        ({"grid": "Net", "a": []}, "a: [] should have at least 1 value"),
        ({"grid": "Net", "a": {"b": 1}}, "a: {'b': 1} is not a value"),
        ({"grid": "Net", "a=1": None}, "'a=1' is not the name of a parameter"),
        ({"grid": "Net", "a": list(range(100)), "b": list(range(100))}, "10,000 combinations"),
    ],
)
def test_rejects_grids_that_name_nothing(grid: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        sweep.of_grid(grid)
    assert words in str(caught.value)


def test_one_model_is_expected_where_a_model_is_resolved() -> None:
    with pytest.raises(UserError) as caught:
        registry.resolve("MobileNetV2[alpha={0.35,0.5}]")
    assert str(caught.value) == (
        "'MobileNetV2[alpha={0.35,0.5}]' is a sweep of 2 models, where one is expected "
        "(name one of them, for example MobileNetV2[alpha=0.35])"
    )
    assert registry.resolve("MobileNetV2[alpha={0.5}]").text == "MobileNetV2[alpha=0.5]"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("MobileNetV2[input_shape=96]", "MobileNetV2[input_shape=96x96x3]"),
        ("MobileNetV2[input_shape=96x64]", "MobileNetV2[input_shape=96x64x3]"),
        ("MobileNetV2[input_shape=224]", "MobileNetV2"),
        ("LeNet5[input_shape=28]", "LeNet5[input_shape=28x28x1]"),
        ("MobileNetV2+box[classes=3,input_shape=96]",
         "MobileNetV2+box[classes=3,input_shape=96x96x3]"),
    ],
)  # fmt: skip
def test_a_size_without_channels_is_the_same_model_as_the_whole_shape(
    text: str, label: str
) -> None:
    short, whole = registry.resolve(text), registry.resolve(label)
    assert short.label == whole.label == label
    assert short.identity() == whole.identity()


@pytest.mark.parametrize("value", ["0", "-96", "true", "96.5", "99999", "96x"])
def test_rejects_a_size_that_is_none(value: str) -> None:
    with pytest.raises(UserError, match=r"is not a shape \(write 128x128x3, 128x128 or 128\)"):
        registry.resolve(f"MobileNetV2[input_shape={value}]")
