"""Charts as files and as parts of a page, by vl-convert: no browser, no network."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cnnbench.plots import theme


def svg(chart: Any, ground: theme.Ground = "light") -> str:
    """Return an Altair chart as SVG, the same bytes every time."""
    import vl_convert

    return str(vl_convert.vega_to_svg(_vega(chart, ground)))


def png(chart: Any, ground: theme.Ground = "light", scale: float = 2.0) -> bytes:
    """Return an Altair chart as PNG, ``scale`` pixels per point."""
    import vl_convert

    return bytes(vl_convert.vega_to_png(_vega(chart, ground), scale=scale))


def _vega(chart: Any, ground: theme.Ground) -> dict[str, Any]:
    """The Vega that a chart compiles to, with the patch that vega-embed would apply."""
    import vl_convert

    specification = {**chart.to_dict(), "config": theme.config(ground)}
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
    return {"charts": specifications, "config": theme.config("page")}


@lru_cache(maxsize=1)
def library() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script, in a scope of its own."""
    import vl_convert

    script: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub says otherwise
    if "</script" in script.lower():
        raise RuntimeError("the bundle of vl-convert cannot be embedded in a page")
    return "(() => {" + script + "})();"
