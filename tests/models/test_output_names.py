"""The outputs of a network by name, however they are nested."""

from __future__ import annotations

import pytest

from cnnbench.errors import UserError
from cnnbench.models import output_names

NESTED = {"probs": 1, "box": 2, "heads": [3, {"a": 4}]}


def test_outputs_are_named_by_their_path_in_order() -> None:
    assert output_names.named(NESTED) == {"probs": 1, "box": 2, "heads.0": 3, "heads.1.a": 4}
    assert list(output_names.named(NESTED)) == ["probs", "box", "heads.0", "heads.1.a"]
    assert output_names.named((5, 6)) == {"0": 5, "1": 6}
    assert output_names.named(7) == {"": 7}


def test_chooses_the_requested_output_else_the_first() -> None:
    assert output_names.chosen(NESTED, None, "net") == "probs"
    assert output_names.chosen(NESTED, "heads.1.a", "net") == "heads.1.a"
    assert output_names.chosen([5, 6], "1", "net") == "1"
    assert output_names.chosen(7, None, "net") == ""


@pytest.mark.parametrize(
    ("structure", "wanted", "words"),
    [
        (NESTED, "prob", "net has no output 'prob' (did you mean 'probs'?)"),
        ([5, 6], "2", "net has no output '2' (it has: 0, 1)"),
        (7, "probs", "net has one output, which has no name (omit output=)"),
    ],
)
def test_rejects_an_unknown_output(structure: object, wanted: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        output_names.chosen(structure, wanted, "net")
    assert str(caught.value) == words


def test_remark_names_the_output_only_if_there_are_several() -> None:
    assert output_names.remark({"only": 1}, "only") == ""
    assert output_names.remark({"probs": 1, "box": 2}, "probs") == (
        "classes are read from its output 'probs' ([output=...] selects another: box)"
    )
