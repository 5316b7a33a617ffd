"""Names of the machines in a run: columns of numbers that depend on the machine end in one.

Only where such numbers come from several environments, as in a run merged from those of a board and
of this machine: ``latency_p50_s@cpu/litert/b1/on=board``. They are never pooled.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from cnnbench.probes.probe import setting_of
from cnnbench.record import PREPARE, Record

PREFIX = "on="
AXIS = "machine"  # of a column's setting
_LONGEST = 32  # characters of a name
_WORDLESS = re.compile(r"[^A-Za-z0-9.]+")
_NOISE = re.compile(r"\(.*?\)|\bCPU\b|\bProcessor\b|@.*", re.IGNORECASE)


def is_measured_there(record: Record) -> bool:
    """Return whether the numbers of a record are those of the machine that ran it."""
    return record.repeat != PREPARE and setting_of(record).depends_on_machine


def labels(
    records: Iterable[Record], environments: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Return environment -> the end of its columns' settings; empty if there is only one.

    Args:
        records: of a run.
        environments: descriptions by id; one that is missing is called by its id.
    """
    used = dict.fromkeys(one.environment for one in records if is_measured_there(one))
    if len(used) < 2:
        return {}
    names = {one: name(environments.get(one, {})) or one for one in used}
    counts = Counter(names.values())
    return {
        one: PREFIX + (found if counts[found] == 1 else f"{found}-{one}")
        for one, found in names.items()
    }


def name(environment: Mapping[str, Any]) -> str:
    """Return a short name of a machine: the one it was called by, or that of its CPU.

    Example:
        >>> name({"fingerprint": {"cpu": "Intel(R) Xeon(R) CPU @ 2.60GHz (family 6)"}})
        'Intel-Xeon'
    """
    called = environment.get("name")
    if not isinstance(called, str) or not called:
        called = _NOISE.sub(" ", str(environment.get("fingerprint", {}).get("cpu", "")))
    return _WORDLESS.sub("-", called)[:_LONGEST].strip("-.")
