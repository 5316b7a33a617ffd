"""Example pictures of a run for its page: read from its artifacts, embedded as data URIs.

A run may come from anywhere, so a file is only read inside the run's folder, and embedded only if
it is the PNG that the record names.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cnnbench.probes.probe import setting_of
from cnnbench.record import Record, model_title
from cnnbench.results import pictures
from cnnbench.results.tables import Run
from cnnbench.tasks.task import ranking_metrics
from cnnbench.text import plural

_MOST_PICTURES = 12  # of one network
_MOST_BYTES_OF_ALL = 12_000_000


def examples(run: Run) -> list[dict[str, Any]]:
    """Return the example pictures of each network and setting, of its first seed.

    Returns:
        A mapping with ``network``, ``setting``, ``seed``, ``pictures`` (``source``, ``width``,
        ``height``, ``words``) and ``notes`` on those that cannot be shown.
    """
    found, left = [], _MOST_BYTES_OF_ALL
    for record, listed in _first_seeds(run.raw):
        shown, reasons = [], []
        for one in listed[:_MOST_PICTURES]:
            try:
                content = pictures.content(run.path, one, left)
            except ValueError as error:
                reasons.append(str(error))
                continue
            left -= len(content)
            shown.append(_picture(content, one))
        metric = next((name for name in ranking_metrics() if name in record.metrics), "")
        found.append(
            {
                "network": model_title(record.model, record.variant),
                "setting": setting_of(record).label_for(metric),
                "seed": record.repeat,
                "pictures": shown,
                "notes": _notes(reasons),
            }
        )
    return found


def _notes(reasons: Sequence[str]) -> list[str]:
    """Return one remark on all pictures that are not shown, with the first reason."""
    words = plural(len(reasons), "example picture")
    return [f"{words} not shown; the first: {reasons[0]}"] if reasons else []


def _first_seeds(records: Sequence[Record]) -> Iterator[tuple[Record, Sequence[Any]]]:
    """Yield the record of the first seed of each network and setting that names pictures."""
    known: dict[tuple[str, str], Record] = {}
    for record in records:
        listed = record.details.get(pictures.FIELD)
        is_listed = isinstance(listed, list) and listed and isinstance(record.repeat, int)
        if record.status != "ok" or not is_listed:
            continue
        place = model_title(record.model, record.variant), setting_of(record).label()
        first = known.get(place)
        if first is None or int(record.repeat) < int(first.repeat):
            known[place] = record
    for record in known.values():
        yield record, record.details[pictures.FIELD]


def _picture(content: bytes, listed: Mapping[str, Any]) -> dict[str, Any]:
    # The header of a PNG: signature, length and type of the first chunk, width, height.
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    image = listed.get("image")
    return {
        "source": f"data:image/png;base64,{base64.b64encode(content).decode()}",
        "width": width,
        "height": height,
        "words": f"test image {image}" if type(image) is int else "test image",
    }
