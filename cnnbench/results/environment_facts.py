"""``environment.json`` of a run, wherever the run comes from: facts that can be shown, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnbench import safe_json
from cnnbench.results import untrusted_file

_FILE = "environment.json"

_MOST_BYTES = 2**20
_MOST_LEVELS = 3  # fingerprint, libraries, versions


def read(folder: Path) -> dict[str, Any]:
    """Return the environment of the run in ``folder``; empty if no file holds one.

    Tables are made without it too: where they were measured is then not known.
    """
    try:
        environment = safe_json.loads(untrusted_file.read(folder / _FILE, _MOST_BYTES))
    except (OSError, ValueError):
        return {}
    return environment if _is_environment(environment) else {}


def _is_environment(value: Any) -> bool:
    if not isinstance(value, dict) or not _are_facts(value, _MOST_LEVELS):
        return False
    fingerprint = value.get("fingerprint", {})
    return isinstance(fingerprint, dict) and isinstance(fingerprint.get("libraries", {}), dict)


def _are_facts(value: Any, levels: int) -> bool:
    """Return whether ``value`` is a fact, a list of facts, or a mapping ``levels`` deep."""
    if isinstance(value, dict):
        return levels > 0 and all(_are_facts(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return not any(isinstance(item, dict | list) for item in value)
    return True
