"""Escaped text renders as the original, and nothing is escaped without need."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cnnbench.markdown import markdown

RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def rendered_in_a_cell(text: str) -> str:
    page = RENDERER.render(f"| head | next |\n|---|---|\n| {text} | end |\n")
    (cells,) = re.findall(r"<tbody>\n<tr>\n(.*)</tr>", page, re.DOTALL)
    cell, end = re.findall("<td>(.*)</td>", cells)
    assert end == "end"
    assert not re.search("<[a-z]", cell), cell
    return html.unescape(cell)


def rendered_in_a_remark(text: str) -> str:
    (item,) = re.findall("<li>(.*)</li>", RENDERER.render(f"- {text}\n"), re.DOTALL)
    assert not re.search("<[a-z]", item), item
    return html.unescape(item)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("![x](https://example.org/p.png)", r"![x]\(https://example.org/p.png)"),
        ("[x](y)", r"\[x]\(y)"),
        ("[x]: https://example.org", r"\[x]: https://example.org"),
        ("`code`", r"\`code\`"),
        (r"a\|b", r"a\\\|b"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("**x** _y_ ~~z~~", r"\*\*x\*\* \_y\_ \~\~z\~\~"),
        ("# x", r"\# x"),
        ("a\nb\x1b[2J", r"a b\\x1b[2J"),
        # Usual table contents stay unchanged.
        ("MobileNetV2[alpha=0.5,input_shape=128x128x3]", None),
        ("Top-1 fashion_mnist/scratch/32px: skipped (no data), 1.2 % ± 0.1 %", None),
    ],
)
def test_escapes_only_markup(text: str, written: str | None) -> None:
    assert markdown(text) == (text if written is None else written)


@given(st.text(st.sampled_from(r"\`*_~[]()!<>&|#:/ ax1" + '"'), max_size=30))
def test_renders_any_text_as_the_original(text: str) -> None:
    assert rendered_in_a_cell(markdown(f"M{text}")) == f"M{text}".strip()
    assert rendered_in_a_cell(markdown(f"{text}M")) == f"{text}M".strip()
    for start in "M[#":  # a remark begins with the name of a column or model
        assert rendered_in_a_remark(markdown(f"{start}{text}M")) == f"{start}{text}M"
