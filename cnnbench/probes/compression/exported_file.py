"""An exported LiteRT file and its card on the disk: written together, over nothing else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnnbench import files
from cnnbench.errors import UserError
from cnnbench.metrics import METRICS
from cnnbench.tasks.task import DEFAULT, TASKS
from cnnbench.text import plural
from cnnbench.units import show

_IDENTIFIER = b"TFL3"  # of a model's flatbuffer, behind its first four bytes
_KEYS = {"cnnbench", "variant", "sha256"}  # of the card of an export, among others


def card_of(out: Path) -> Path:
    """Return the path of the card of the file ``out``."""
    return out.with_suffix(".json")


def check_free(out: Path) -> None:
    """Make sure that only files of an earlier export are replaced.

    Raises:
        UserError: another file is there, such as the weights or a run's own card; or there is no
            such folder.
    """
    card = card_of(out)
    if out.suffix == ".json":
        raise UserError(
            "the ending .json is reserved for the card", str(out), "for example model.tflite"
        )
    if not out.resolve().parent.is_dir():
        raise UserError("no such folder", str(out.parent), "create it, or choose another --out")
    for file, is_ours, kind in (
        (out, _is_flatbuffer(out), "LiteRT file"),
        (card, read_json(card).keys() >= _KEYS, "card of an export"),
    ):
        if file.exists() and not is_ours:
            raise UserError(f"exists and is not a {kind}", str(file), "choose another --out")


def put(made: Path, card: Mapping[str, Any], out: Path) -> None:
    """Write ``out`` and its card completely before either is put into its place.

    Raises:
        UserError: they cannot be written.
    """
    text = json.dumps(card, indent=1, allow_nan=False)
    try:
        with files.replacing(card_of(out)) as beside, files.replacing(out) as file:
            file.write(made.read_bytes())
            beside.write(f"{text}\n".encode())
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", str(out)) from None


def summary(card: Mapping[str, Any], out: Path) -> str:
    """Return the main facts of a card in one line."""
    found = card["metrics"]
    words = [f"{out}: {card['model']} {card['variant']}, {show(card['bytes'], 'bytes')}"]
    task = card.get("from", {}).get("training", {}).get("task", DEFAULT)
    quality = METRICS[TASKS.find(task).primary]
    titles = {
        quality.name: quality.phrase,
        "agreement": "agreement with float32",
    }
    shown = [f"{titles[n]} {show(found[n], METRICS[n].unit)}" for n in titles if n in found]
    words += [", ".join(shown)] if shown else []
    if "coverage_macs" in found:
        words.append(f"{show(found['coverage_macs'], 'fraction')} of the MACs covered")
    if "int8_io" in card:
        words.append("int8 inputs and outputs")
    timed = card.get("latency", {})
    if "latency_p50_s" in timed:
        p50, threads = show(timed["latency_p50_s"], "s"), plural(timed["threads"], "thread")
        words.append(f"p50 {p50} with {threads}, in one process only")
    words += card["read_back"].get("flags", [])
    words += card.get("notes", [])
    return "; ".join([*words, f"card in {card_of(out)}"])


def read_json(file: Path) -> dict[str, Any]:
    """Read the object in a JSON file; an empty one if there is none."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def _is_flatbuffer(file: Path) -> bool:
    with contextlib.suppress(OSError), file.open("rb") as stream:
        return stream.read(8)[4:] == _IDENTIFIER
    return False
