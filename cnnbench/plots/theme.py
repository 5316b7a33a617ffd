"""The look of every chart, and charts as files and parts of a page, by vl-convert (no browser).

One configuration serves three grounds, with colours that differ for every kind of colour vision.

No chart names a colour. Categories take them from `config` in order, so the same specification is
drawn on white, on black, or on a page whose style sheet decides (and changes them for print).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

Ground = Literal["light", "dark", "page"]

_GROUNDS: tuple[Ground, ...] = ("light", "dark")

# Blue and orange differ for every kind of colour vision; the rest follow in lightness.
_COLOURS = {
    "light": ("#1f5fbf", "#d1661a", "#0f8a5f", "#a63d8f",
              "#7a6a00", "#00809d", "#8c4a3c", "#5e5ac7"),
    "dark": ("#7fb0ff", "#ff9d5c", "#54d3a2", "#e58bd2",
             "#d9c64a", "#4cc9e4", "#d99a8b", "#aaa6ff"),
}  # fmt: skip
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
            "titleColor": paint["ink"],
            "titleFontSize": 12,
            "titleFontWeight": 500,
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
        "style": {
            "axis-name": {"fill": paint["ink"], "fontWeight": 600, "fontSize": 12},
            "limit": {"color": paint["c3"]},
            "limit-name": {"color": paint["c3"], "fontWeight": 600, "fontSize": 12},
        },
    }


def svg(chart: Any, ground: Ground = "light") -> str:
    """Return an Altair chart as SVG, the same bytes every time."""
    import vl_convert

    return str(vl_convert.vega_to_svg(_vega(chart, ground)))


def png(chart: Any, ground: Ground = "light", scale: float = 2.0) -> bytes:
    """Return an Altair chart as PNG, ``scale`` pixels per point."""
    import vl_convert

    return bytes(vl_convert.vega_to_png(_vega(chart, ground), scale=scale))


def _vega(chart: Any, ground: Ground) -> dict[str, Any]:
    """The Vega that a chart compiles to, with the patch that vega-embed would apply."""
    import vl_convert

    specification = {**chart.to_dict(), "config": config(ground)}
    compiled: dict[str, Any] = vl_convert.vegalite_to_vega(specification)
    options = specification.get("usermeta", {}).get("embedOptions", {})
    for step in options.get("patch", []):
        *path, last = step["path"].strip("/").split("/")
        place: Any = compiled
        for part in path:
            place = place[int(part)] if isinstance(place, list) else place[part]
        place[last] = copy.deepcopy(step["value"])
    return compiled


def embedded(charts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a page embeds: the specifications with their data, and the theme once."""
    specifications = {name: chart.to_dict() for name, chart in charts.items()}
    for specification in specifications.values():
        specification.pop("config", None)
    return {"charts": specifications, "config": config("page")}


@lru_cache(maxsize=1)
def library() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script, in a scope of its own."""
    import vl_convert

    script: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub says otherwise
    if "</script" in script.lower():
        raise RuntimeError("the bundle of vl-convert cannot be embedded in a page")
    return "(() => {" + script + "})();"
