"""``Name[alpha=0.5,input_shape=128x128x3]``, read and written back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnbench.errors import UserError
from cnnbench.models import model_name
from cnnbench.models.model_name import ModelName
from cnnbench.named import Named

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**17), 10**17),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.integers(0, 10**6), min_size=2, max_size=3).map(tuple),
    st.text(),
)


def test_reads_every_type_of_value() -> None:
    text = "Net[alpha=0.5,depth=3,input_shape=128x96x3,modern=true,act=swish,ratio=1e-3,se=none]"
    assert model_name.parse(text) == ModelName(
        "Net",
        (
            ("act", "swish"),
            ("alpha", 0.5),
            ("depth", 3),
            ("input_shape", (128, 96, 3)),
            ("modern", True),
            ("ratio", 0.001),
            ("se", None),
        ),
    )


def test_order_and_spaces_do_not_matter() -> None:
    assert str(model_name.parse(" Net [ b = 1 , a = 32x32 ] ")) == "Net[a=32x32,b=1]"
    assert str(model_name.parse("Net[]")) == "Net"


@given(st.dictionaries(st.from_regex(r"[a-z_]\w{0,8}", fullmatch=True), VALUES, max_size=4))
def test_a_written_name_reads_back_equal(parameters: dict[str, model_name.Value]) -> None:
    written = ModelName("package.module:builder", tuple(parameters.items()))
    assert model_name.parse(str(written)) == written


NAMES = st.sampled_from(
    ["Net", "package.module:builder", "my nets/a+b.py:net", "a+b.keras", "hub://owner/name"]
)
PARAMETERS = st.dictionaries(st.from_regex(r"[a-z_]\w{0,8}", fullmatch=True), VALUES, max_size=3)


@given(NAMES, PARAMETERS, st.from_regex(r"[A-Za-z_]\w{0,8}", fullmatch=True), PARAMETERS)
def test_a_written_name_with_a_head_reads_back_equal(
    name: str,
    own: dict[str, model_name.Value],
    head: str,
    of_head: dict[str, model_name.Value],
) -> None:
    last = Named(head, tuple(of_head.items()))
    written = ModelName(name, tuple(own.items()), head=last)
    read = model_name.parse(str(written))
    assert read == written
    assert read.backbone.text == str(Named(name, tuple(own.items())))
    assert read.text_with(read.backbone.text) == read.text
    assert model_name.parse(read.text_with("Other")) == ModelName("Other", head=last)


@pytest.mark.parametrize(
    ("text", "name", "head"),
    [
        ("Net+box", "Net", Named("box")),
        (" Net [a=1] + box [ b = 2 ] ", "Net", Named("box", (("b", 2),))),
        ("Net[a=1+2]", "Net", None),
        ("Net[a='x]+box']", "Net", None),
        ("Net[a='x]+y']+box", "Net", Named("box")),
        ('Net[a="]"]+box[b="+]"]', "Net", Named("box", (("b", "+]"),))),
        ("a+b.keras", "a+b.keras", None),
        ("a+b.keras+box", "a+b.keras", Named("box")),
        ("c++/net.py:build", "c++/net.py:build", None),
        ("c++/net.py:build+box", "c++/net.py:build", Named("box")),
        ("Net+", "Net+", None),
        ("+box", "+box", None),
    ],
)
def test_a_head_is_a_plain_word_after_the_last_plus(
    text: str, name: str, head: Named | None
) -> None:
    read = model_name.parse(text)
    assert (read.name, read.head, read.text) == (name, head, text)


@given(st.text())
def test_any_text_is_read_or_rejected_with_a_user_error(text: str) -> None:
    try:
        model_name.parse(text)
    except UserError as error:
        assert error.what


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not the name of a model"),
        ("Net[alpha=0.5", "not the name of a model"),
        ("Net]", "not the name of a model"),
        ("Net[alpha]", "'alpha' in 'Net[alpha]' is not parameter=value"),
        ("Net[alpha=]", "is not parameter=value"),
        ("Net[a=1,,b=2]", "empty or unfinished"),
        ("Net[a=1,a=2]", "is given twice"),
        ("Net[a='b]", "unfinished"),
        ("Net[a=1e999]", "too large"),
        ("Net[a=9999999999999999999]", "too large"),
        ("Net+box[a]", "'a' in 'box[a]' is not parameter=value"),
        ("Net+box[a=1,a=2]", "the parameter 'a' is given twice in 'box[a=1,a=2]'"),
    ],
)
def test_rejects_malformed_names(text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        model_name.parse(text)
    assert words in str(caught.value)
