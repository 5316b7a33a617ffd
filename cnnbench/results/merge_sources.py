"""Runs to be merged: their records, and the environments of these, told apart by host.

Two equal machines have the same fingerprint, and so the same id of their environment, but differ in
speed by some per cent. Beside another host with its id an environment gets the host's id as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cnnbench.errors import UserError
from cnnbench.record import Record, standing
from cnnbench.results import journal, tables
from cnnbench.results.journal import FILE_NAME

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """One of the runs to be merged.

    Attributes:
        path: its folder.
        plan, environment: as in the header of its journal.
        records: all of its journal.
        environments: descriptions by id, as far as they are known.
    """

    path: Path
    plan: str
    environment: str
    records: Sequence[Record]
    environments: Mapping[str, Facts]

    def renamed(self, names: Mapping[str, str]) -> Source:
        """Return a copy with other ids of its environments."""

        def name(of: str) -> str:
            return names.get(of, of)

        return replace(
            self,
            environment=name(self.environment),
            records=[replace(one, environment=name(one.environment)) for one in self.records],
            environments={
                name(of): {**facts, "id": name(of)} for of, facts in self.environments.items()
            },
        )


def load(paths: Sequence[Path]) -> list[Source]:
    """Read runs, with the environments of different hosts under different ids.

    Args:
        paths: folders of runs, or of suites, whose newest run is meant.

    Raises:
        UserError: no run there.
    """
    sources = [_source(path) for path in paths]
    hosts: dict[str, str] = {}  # id of an environment -> its host
    found = []
    for source in sources:
        names = {}
        for of, facts in source.environments.items():
            names[of] = _name(of, _host(facts), hosts)
            hosts.setdefault(names[of], _host(facts))
        found.append(source.renamed(names))
    return found


def environment_files(sources: Sequence[Source]) -> dict[str, str]:
    """Return the files of all environments, that of the first run as ``environment.json``."""
    known: dict[str, Facts] = {}
    for source in sources:
        for of, facts in source.environments.items():
            known.setdefault(of, facts)
    first = sources[0].environment
    return {
        f"{'environment' if of == first else f'environment-{of}'}.json": json.dumps(
            dict(facts), indent=2
        )
        + "\n"
        for of, facts in known.items()
    }


def _source(path: Path) -> Source:
    run = tables.load(path)
    if not (run.path / FILE_NAME).is_file():
        raise UserError("has no records to merge", str(path), "name the folder of a run")
    header = journal.read_header(run.path / FILE_NAME)
    found = {header.environment: run.environment, **run.other_environments}
    usable = {of: facts for of, facts in found.items() if facts and _ID.fullmatch(of)}
    return Source(run.path, header.plan, header.environment, standing(run.raw), usable)


def _name(of: str, host: str, hosts: Mapping[str, str]) -> str:
    """Return the id of an environment, with its host where that of another one has the same id.

    An earlier version recorded no host: it may be the same.
    """
    plain = of.removesuffix(f"-{host}") if host else of
    is_other = bool(host and hosts.get(plain)) and hosts[plain] != host
    return f"{plain}-{host}" if is_other else plain


def _host(facts: Facts) -> str:
    host = facts.get("host")
    return host if isinstance(host, str) and _ID.fullmatch(host) else ""
