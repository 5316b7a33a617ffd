"""The look of every chart: one configuration for three grounds, with colour-blind-safe colours.

No chart names a colour. Categories take them from `config` in order, so the same specification is
drawn on white, on black, or on a page whose style sheet decides (and changes them for print).
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, Self, TypeVar


class Configurable(Protocol):
    """An Altair chart of any kind."""

    def configure(self, **settings: Any) -> Self: ...


Chart = TypeVar("Chart", bound=Configurable)
Ground = Literal["light", "dark", "page"]

_GROUNDS: tuple[Ground, ...] = ("light", "dark")

# Blue and orange differ for every kind of colour vision; the rest follow in lightness.
_COLOURS: dict[str, tuple[str, ...]] = {
    "light": (
        "#1f5fbf",
        "#d1661a",
        "#0f8a5f",
        "#a63d8f",
        "#7a6a00",
        "#00809d",
        "#8c4a3c",
        "#5e5ac7",
    ),
    "dark": (
        "#7fb0ff",
        "#ff9d5c",
        "#54d3a2",
        "#e58bd2",
        "#d9c64a",
        "#4cc9e4",
        "#d99a8b",
        "#aaa6ff",
    ),
}
_PAPER: dict[str, dict[str, str]] = {
    "light": {"card": "#ffffff", "ink": "#1b2330", "quiet": "#5b6675", "line": "#dfe3e9"},
    "dark": {"card": "#1a1f27", "ink": "#e6e9ee", "quiet": "#9aa5b4", "line": "#2c343f"},
}
_FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif"


def colours(ground: Ground) -> dict[str, str]:
    """Return name -> colour: ``card``, ``ink``, ``quiet``, ``line`` and ``c0`` to ``c7``.

    On a ``page`` they are references to the variables of its style sheet.
    """
    if ground == "page":
        return {name: f"var(--{name})" for name in colours("light")}
    return {**_PAPER[ground], **{f"c{i}": colour for i, colour in enumerate(_COLOURS[ground])}}


def style_sheet() -> str:
    """Return CSS that sets the variables of a ``page``: light, dark, and on paper light again."""
    light, dark = (
        ":root { "
        + " ".join(f"--{name}: {colour};" for name, colour in colours(ground).items())
        + " }"
        for ground in _GROUNDS
    )
    return (
        f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n@media print {{ {light} }}\n"
    )


def config(ground: Ground = "light") -> dict[str, Any]:
    """Return a Vega-Lite configuration."""
    paint = colours(ground)
    return {
        "background": None if ground == "page" else paint["card"],
        "font": _FONT,
        "range": {"category": [paint[f"c{i}"] for i in range(8)]},
        "view": {"stroke": None},
        "scale": {"zero": False},
        "axis": {
            "domain": False,
            "ticks": False,
            "grid": True,
            "gridColor": paint["line"],
            "labelColor": paint["quiet"],
            "labelFontSize": 12,
            "labelPadding": 8,
            "title": None,
        },
        "legend": {
            "orient": "top",
            "title": None,
            "labelColor": paint["ink"],
            "labelFontSize": 13,
            "labelLimit": 320,
            "symbolType": "circle",
        },
        "header": {
            "title": None,
            "labelColor": paint["ink"],
            "labelFontSize": 13,
            "labelFontWeight": 600,
            "labelLimit": 260,
        },
        "mark": {"color": paint["c0"]},
        "text": {"color": paint["ink"], "fontSize": 12},
        "style": {"axis-name": {"fill": paint["ink"], "fontWeight": 600, "fontSize": 12}},
    }


def themed(chart: Chart) -> Chart:
    """Return ``chart`` on a light ground, as a notebook shows it; `output` exchanges the ground."""
    return chart.configure(**config())
