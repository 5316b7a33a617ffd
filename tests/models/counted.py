"""Derived columns of the catalogue: counts of every network, and the parameters of its builder.

``python -m tests.models.counted`` (this file as a program) writes them into ``catalog.csv``; with
names as arguments only for these.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from cnnbench.models import catalog
from cnnbench.models.arguments import OF_WHOLE
from cnnbench.models.sources import catalogue

FILE = Path(catalog.__file__).with_name("catalog.csv")
COLUMNS = ("params", "macs")


def counts(name: str) -> dict[str, int]:
    """Return what a network of the catalogue counts at its defaults, by column."""
    import tensorflow as tf

    from cnnbench.analysis import inspect

    tf.keras.backend.clear_session()  # keeps the memory of one network
    found = inspect(name).metrics
    return {column: int(found[column]) for column in COLUMNS}


def takes(name: str) -> tuple[str, ...]:
    """Return the parameters of a network's builder besides input shape and classes."""
    taken = catalogue.builder(catalog.ENTRIES[name])[2]
    return tuple(parameter for parameter in taken.defaults if parameter not in OF_WHOLE)


def _rewrite(names: set[str]) -> None:
    with FILE.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    for row in rows:
        if not names or row["name"] in names:
            row |= {column: str(count) for column, count in counts(row["name"]).items()}
            row["takes"] = " ".join(takes(row["name"]))
            print(row["name"], row["macs"], flush=True)
    with FILE.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    _rewrite(set(sys.argv[1:]))
