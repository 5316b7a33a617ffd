"""What a terminal would obey is written out."""

import pytest

from cnnbench.text import printable, printable_lines, shape_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ResNet50 é 模型 😀", "ResNet50 é 模型 😀"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\nb\r\tc\x7f\x00", r"a\nb\r\tc\x7f\x00"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_the_lines_of_a_finished_text_stay() -> None:
    assert printable_lines("a\x1b\nb\r\n") == "a\\x1b\nb\\r\n"


def test_a_shape_is_written_in_one_way() -> None:
    assert shape_text((224, 224, 3)) == "224x224x3"
    assert shape_text([None, 8]) == "?x8"
    assert shape_text(()) == ""
