"""Text that is safe to print, and the text of a shape."""

from collections.abc import Sequence
from typing import Annotated

import pytest
from pydantic import AfterValidator, TypeAdapter, ValidationError

from cnnbench.text import natural, printable, printable_lines, pydantic_message, shape_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ResNet50 é 模型 😀", "ResNet50 é 模型 😀"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\nb\r\tc\x7f\x00", r"a\nb\r\tc\x7f\x00"),
    ],
)
def test_escapes_control_characters(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_keeps_the_lines_of_a_text() -> None:
    assert printable_lines("a\x1b\nb\r\n") == "a\\x1b\nb\\r\n"


@pytest.mark.parametrize(
    ("shape", "text"), [((224, 224, 3), "224x224x3"), ([None, None, 3], "?x?x3"), ((), "")]
)
def test_writes_a_shape(shape: Sequence[int | None], text: str) -> None:
    assert shape_text(shape) == text


def _refuse(value: int) -> int:
    raise ValueError(f"{value} is odd")


@pytest.mark.parametrize(
    ("value", "message"), [(3, "3 is odd"), ("x", "Input should be a valid integer")]
)
def test_a_validation_message_has_no_prefix_of_pydantic(value: object, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Annotated[int, AfterValidator(_refuse)]).validate_python(value)
    assert pydantic_message(caught.value.errors()[0]).startswith(message)


def test_numbers_in_names_sort_by_value() -> None:
    ordered = ["b", "a10", "a2", "a02", "a1b10", "a1b2", "10", "2"]
    expected = ["2", "10", "a1b2", "a1b10", "a02", "a2", "a10", "b"]
    assert sorted(ordered, key=natural) == expected
