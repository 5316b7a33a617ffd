"""The models that a suite names: names, sweeps and grids, resolved and selected from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cnnbench.errors import UserError, UserErrors, all_of, one_of, shown
from cnnbench.models import sweep
from cnnbench.models.handle import ModelInfo
from cnnbench.suite.mistakes import Mistakes
from cnnbench.suite.yaml_source import Path_
from cnnbench.text import plural

_FORM = "a list of names and grids: [LeNet5, {grid: MobileNetV2, alpha: [0.35, 0.5]}]"


class Catalogue(Protocol):
    """Look-up of models by name, for example the module `cnnbench.models.registry`."""

    def resolve(self, text: str, search_path: Sequence[Path]) -> ModelInfo:
        """Return the model ``text``; raise `UserError` if there is none."""


@dataclass(frozen=True)
class Lookup:
    """A catalogue, and the folders in which it looks files up.

    Attributes:
        catalogue: resolves a name.
        search_path: the suite's own folder first.
    """

    catalogue: Catalogue
    search_path: tuple[Path, ...] = ()

    def resolve(self, text: str) -> ModelInfo:
        """Return the model ``text``; raise `UserError` if there is none."""
        return self.catalogue.resolve(text, self.search_path)

    def select(self, text: str, models: Sequence[ModelInfo], where: str, of_what: str) -> list[str]:
        """Return the labels of those of ``models`` that a name or sweep means.

        A name means a model as it is written in the suite, or any other way to write the same one.

        Args:
            text: the name or sweep.
            models: to select from.
            where: the place of ``text``, for messages.
            of_what: ``models`` in a message: ``the suite's models``.

        Raises:
            UserError: some that are not among ``models``; all of them.
        """
        labels = [model.label for model in models]
        by_text = {model.text: model.label for model in models}
        found: list[str] = []
        problems: list[UserError] = []
        for one in sweep.expand(text):
            label = by_text.get(one) or self._label(one)
            try:
                found.append(one_of(label if label in labels else one, labels, where, of_what))
            except UserError as error:
                problems.append(error)
        if problems:
            raise all_of(problems)
        return found

    def _label(self, text: str) -> str:
        """Return the label of the model ``text``; empty if there is none."""
        try:
            return self.resolve(text).label
        except UserError:
            return ""


def models(written: Any, lookup: Lookup, mistakes: Mistakes) -> Iterator[ModelInfo]:
    """Yield the models under the key ``models`` of a suite, and add the mistakes in it.

    Args:
        written: a list of names, sweeps and grids, or a single grid.
        lookup: resolves the names.
        mistakes: those of the suite.
    """
    place: Path_ = ("models",)
    if not isinstance(written, list | dict):
        mistakes.add(f"models: {shown(written)} should be {_FORM}", place)
        return
    if written == []:
        mistakes.add("models: [] should have at least 1 item", place)
    count = 0
    seen: dict[str, str] = {}
    for index, item in enumerate(written if isinstance(written, list) else [written]):
        path: Path_ = (*place, index) if isinstance(written, list) else place
        if mistakes.are_too_many:
            mistakes.add("too many mistakes; the rest is not checked", place)
            return
        texts = _texts(item, path, mistakes)
        count += len(texts)
        if count > sweep.MOST:
            mistakes.add(f"more than {sweep.MOST:,} models; split the suite", path)
            return
        for model in _resolved(texts, lookup, path, mistakes):
            if model.label in seen:
                mistakes.add(f"'{model.text}' is the same model as '{seen[model.label]}'", path)
            seen[model.label] = model.text
            yield model


def _texts(item: Any, path: Path_, mistakes: Mistakes) -> list[str]:
    """Return the names that an item of the list stands for; none if it is wrong."""
    try:
        if isinstance(item, str):
            return sweep.expand(item)
        if isinstance(item, dict):
            return sweep.of_grid(item)
    except UserError as error:
        mistakes.add(error.what, path, error.hint)
        return []
    name = ".".join(map(str, path))
    mistakes.add(f"{name}: {shown(item)} should be a model's name or a grid", path)
    return []


def _resolved(
    texts: Sequence[str], lookup: Lookup, path: Path_, mistakes: Mistakes
) -> Iterator[ModelInfo]:
    """Yield the models of one item; what several of its names have in common is added once."""
    refused: dict[tuple[str, str], list[str]] = {}
    for text in texts:
        try:
            yield lookup.resolve(text)
        except UserError as error:
            for one in error.errors if isinstance(error, UserErrors) else (error,):
                refused.setdefault((one.what, one.hint), []).append(text)
    for (what, hint), names in refused.items():
        more = f" (and {plural(len(names) - 1, 'more combination')})" if len(names) > 1 else ""
        mistakes.add(what if names[0] in what else f"{names[0]}{more}: {what}", path, hint)
