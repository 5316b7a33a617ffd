"""What a terminal would obey is written out."""

import pytest

from cnnbench.text import printable, printable_lines


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
