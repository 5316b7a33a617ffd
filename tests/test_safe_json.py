"""JSON from elsewhere and for others: finite numbers, valid Unicode, limited depth."""

import pytest
from pydantic import TypeAdapter, ValidationError

from cnnbench import safe_json
from cnnbench.schema import Bytes, Distinct


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{", "[" * 100_000, ""])
def test_rejects_what_is_not_json(text: str) -> None:
    with pytest.raises(ValueError):
        safe_json.loads(text)


def test_replaces_lone_surrogates_in_both_directions() -> None:
    assert safe_json.loads('{"caf\\udce9": "\\udce9"}') == {"caf\\udce9": "\\udce9"}
    assert safe_json.dumps({"caf\udce9": "é"}) == '{"caf\\\\udce9":"é"}'


def test_writes_null_for_a_number_that_is_not_finite() -> None:
    assert safe_json.dumps([1.5, float("nan"), float("inf")]) == "[1.5,null,null]"


def test_rounds_numbers_as_tables_do() -> None:
    assert safe_json.as_table({"a": 0.1 + 0.2, "b": 2.0}) == '{\n  "a": 0.3,\n  "b": 2\n}'


def test_a_memory_limit_needs_its_unit() -> None:
    assert TypeAdapter(Bytes).validate_python("8GiB") == 8 * 2**30
    with pytest.raises(ValidationError, match=r"8 bytes is too small; did you mean 8GiB\?"):
        TypeAdapter(Bytes).validate_python(8)


def test_names_a_duplicate_value() -> None:
    from typing import Annotated

    with pytest.raises(ValidationError, match="duplicate value 2"):
        TypeAdapter(Annotated[list[int], Distinct]).validate_python([1, 2, 2])
