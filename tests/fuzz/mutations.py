"""Hypothesis strategies that mutate valid inputs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

_ODD_TEXTS = [
    *("", " ", "\x00", "\u202e", "é", "\ud83d\ude00", "=1+1", "@SUM(A1)", "-1", "+1"),
    *("../../x", "/etc/passwd", "nan", "inf", "1e999", "null", "<script>alert(1)</script>"),
    *("{{7*7}}", "[bold]", "a" * 5000, "9" * 5000, "0x" + "f" * 5000, "[" * 500, "prepare", "ok"),
    *("LeNet5", "latency_p50_s", "5%", "20ms", "8GiB", "2026-13-45", "1:1:1:1"),
]
_ODD_NUMBERS = [0, 1, -1, 2, 2**31, 2**63, -(2**63), 10**400, 0.5, -0.0, 1e308, 1e-320]
_ODD_TOKENS = [
    *(b"*a", b"&a ", b"<<: *a", b"!!python/object/apply:os.system [ls]", b"!!binary x", b"? "),
    *(b"!!timestamp 2026-99-99x", b"!!bool maybe", b"!!int ''", b'"\\UFFFFFFFF"'),
    *(b"!!timestamp 2026-99-99", b"---\n", b"...\n", b"\t", b"%YAML 9.9\n", b"|\n", b">\n", b"~"),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b":",
        b",",
        b'"',
        b"'",
        b"\n",
        b"\r\n",
        b"\xff",
        b"\x00",
        b"\xef\xbb\xbf",
    ),
    *(
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e999",
        b"[" * 2000,
        b"9" * 6000,
        b";",
        b"=cmd|' /C x'!A0",
    ),
]


def odd_values() -> st.SearchStrategy[Any]:
    """Return unusual values that can be written as JSON."""
    leaf = st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from(_ODD_NUMBERS),
        st.sampled_from(_ODD_TEXTS),
        st.integers(),
        st.floats(allow_nan=True, allow_infinity=True),
        st.text(max_size=20),
    )
    return st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=6,
    )


@st.composite
def bytes_of(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Return one of ``seeds`` with pieces removed, repeated, swapped, flipped or inserted."""
    text = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 1, 2, 8, 60, 1000])))
        piece = draw(
            st.one_of(
                st.just(b""),
                st.sampled_from(_ODD_TOKENS),
                st.binary(max_size=6),
                st.just(text[start:end] * 2),
                st.just(text[start:end][::-1]),
            )
        )
        text = text[:start] + piece + text[end:]
    return text


@st.composite
def tree_of(draw: st.DrawFn, seeds: Sequence[Any]) -> Any:
    """Return one of ``seeds``, JSON trees, with values replaced, removed, renamed or moved."""
    tree = json.loads(json.dumps(draw(st.sampled_from(seeds))))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(tree))
        if not places:
            break
        parent, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["replace", "remove", "rename", "move", "copy"])):
            case "replace":
                parent[key] = draw(odd_values())
            case "remove":
                del parent[key]
            case "rename" if isinstance(parent, dict):
                parent[draw(st.sampled_from(_ODD_TEXTS))] = parent.pop(key)
            case "move" | "copy":
                other, there = draw(st.sampled_from(places))
                if isinstance(other, dict) or there < len(other):
                    parent[key] = json.loads(
                        json.dumps(other.get(there) if isinstance(other, dict) else other[there])
                    )
    return tree


def _places(tree: Any) -> Any:
    """Yield the container and the key of every value below ``tree``."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(items):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)
