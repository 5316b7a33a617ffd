"""Parsing and formatting of quantities."""

import pytest

from cnnbench import units
from cnnbench.errors import UserError


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("20ms", "s", 0.020),
        ("1.5 s", "s", 1.5),
        ("10min", "s", 600),
        ("250µs", "s", 250e-6),
        (3, "s", 3),
        ("10MB", "bytes", 10_000_000),
        ("2GiB", "bytes", 2 * 1024**3),
        ("98MiB", "bytes", 102_760_448),
        ("4M", "count", 4_000_000),
        ("300000", "count", 300_000),
        ("5%", "fraction", 0.05),
        ("0.92", "fraction", 0.92),
        ("1e-3s", "s", 0.001),
    ],
)
def test_parse(text: str | float, unit: units.Unit, value: float) -> None:
    assert units.parse(text, unit) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "unit"),
    [("20", "s"), ("10", "bytes"), ("10MB", "s"), ("fast", "s"), ("", "count"), ("5%", "s"),
     ("nan", "s"), ("1e999s", "s"), (True, "count"), ("1e308TB", "bytes"),
     (10**400, "count"), ("9" * 101, "s")],
)  # fmt: skip
def test_rejects_a_quantity_of_another_kind(text: str | float, unit: units.Unit) -> None:
    with pytest.raises(UserError, match="write for example"):
        units.parse(text, unit)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4_253_864.0, "4253864"),
        (12_345_678_901.0, "12345678901"),  # eleven digits, but whole
        (0.2766221213483246, "0.276622121"),
        (273.303718827, "273.303719"),
        (123_456_789_012.34, "123456789000"),
        (1.05 - 1, "0.05"),  # 0.050000000000000044
        (-0.0, "0"),
        (1e300, "1e+300"),
        (0.000012345678912, "1.23456789e-05"),
    ],
)
def test_rounds_to_whole_numbers_or_nine_digits(value: float, text: str) -> None:
    assert units.written(value) == text
    assert units.rounded(value) == float(text)
    assert units.written(float(text)) == text, "reading and writing a table again changes nothing"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123, "s", "12.3 ms"),
        (5.5e-5, "s", "55.0 µs"),
        (75, "s", "1.25 min"),
        (0, "s", "0 µs"),
        (12_300_000, "bytes", "12.3 MB"),
        (1_413_834, "count", "1.41 M"),
        (61_706, "count", "61,706"),
        (1_135_256_096, "count", "1.14 G"),
        (0.9212, "fraction", "92.1 %"),
        (float("nan"), "s", ""),
        (None, "s", ""),
    ],
)
def test_shows_a_value_with_its_unit(value: float | None, unit: units.Unit, text: str) -> None:
    assert units.show(value, unit) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (99.4, "99 s"),
        (99.6, "2 min"),
        (359, "6 min"),
        (5969, "99 min"),
        (5972, "1.7 h"),
    ],
)
def test_shows_an_estimated_duration_without_needless_digits(seconds: float, text: str) -> None:
    assert units.show_duration(seconds) == text
