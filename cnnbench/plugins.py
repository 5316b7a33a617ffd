"""Registries of plugins: objects of one kind by name, built in or from other packages.

A built-in plugin is one line: ``"latency": "cnnbench.probes.latency:PROBE"``. Another package adds
one by an entry point of the registry's group. A plugin is imported when it is first looked up.

A registry is next to the protocol of its plugins. `PROBES` and `FORMATS` are here because layers
below that protocol look them up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cnnbench.errors import UserError, nearest_or_all

if TYPE_CHECKING:
    from cnnbench.probes.probe import Probe
    from cnnbench.report.formats import Format

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Plugins of one kind by name, built-in ones first.

    Another package cannot replace a built-in plugin.

    Args:
        group: the entry-point group through which other packages add plugins.
        kind: a noun for messages: ``runtime``.
        built_in: name -> ``module:attribute``.
    """

    def __init__(self, group: str, kind: str, built_in: Mapping[str, str]) -> None:
        self.group = group
        self._kind = kind
        self._built_in = built_in
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        """Return the plugin ``name``, importing it if necessary.

        Raises:
            KeyError: there is no such plugin (`find` raises a `UserError` instead).
            UserError: two packages provide it, or its module cannot be imported.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(self._entry_points[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entry_points)

    def __len__(self) -> int:
        return len(self._entry_points)

    def find(self, name: str, where: str = "") -> T:
        """Return the plugin ``name``.

        Raises:
            UserError: there is no such plugin (the hint is the nearest), or it cannot be imported.
        """
        if name not in self:
            raise UserError(f"unknown {self._kind} '{name}'", where, nearest_or_all(name, self))
        return self[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entry_points

    def is_built_in(self, name: str) -> bool:
        """Return whether cnnbench itself provides the plugin ``name``."""
        return name in self._built_in

    @cached_property
    def _entry_points(self) -> dict[str, metadata.EntryPoint]:
        own = (metadata.EntryPoint(name, at, self.group) for name, at in self._built_in.items())
        found = {point.name: point for point in own}
        for point in sorted(metadata.entry_points(group=self.group), key=lambda point: point.name):
            found.setdefault(point.name, point)
        return found

    def _load(self, point: metadata.EntryPoint) -> T:
        if not self.is_built_in(point.name) and self._providers(point.name) > 1:
            raise UserError(
                f"two installed packages provide the {self._kind} '{point.name}'",
                hint="uninstall one of them",
            )
        try:
            loaded: Any = point.load()
        except (ImportError, AttributeError) as error:
            raise UserError(
                f"the {self._kind} '{point.name}' cannot be loaded from {point.value}: {error}",
                hint="reinstall the package that provides it",
            ) from error
        found: T = loaded
        return found

    def _providers(self, name: str) -> int:
        """Return how many installed packages provide a plugin of this name."""
        return sum(point.name == name for point in metadata.entry_points(group=self.group))


# Suites run their probes in this order: quick results and the least disruptive probes first.
PROBES: Registry[Probe] = Registry(
    "cnnbench.probes",
    "probe",
    {
        "static": "cnnbench.probes.static:PROBE",
        "memory": "cnnbench.probes.memory:PROBE",
        "latency": "cnnbench.probes.latency:PROBE",
        "accuracy": "cnnbench.probes.accuracy:PROBE",
        "compression": "cnnbench.probes.compression:PROBE",
        "sliding": "cnnbench.probes.sliding:PROBE",
        "stages": "cnnbench.probes.stages:PROBE",
        "load": "cnnbench.probes.load:PROBE",
        "tracking": "cnnbench.probes.tracking:PROBE",
    },
)

FORMATS: Registry[Format] = Registry(
    "cnnbench.formats",
    "format",
    {
        "text": "cnnbench.report.formats:as_text",
        "md": "cnnbench.report.formats:as_markdown",
        "csv": "cnnbench.report.formats:as_csv",
        "json": "cnnbench.report.formats:as_json",
    },
)
