"""Options of a training that only some tasks have, written among the others in a suite's entry.

An entry may train models of several tasks; each setting takes the options of its own task. The
``target`` is one of them, as it is named by the metric of its task: ``target_top1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError, create_model

from cnnbench.errors import UserError
from cnnbench.schema import Fraction, StrictModel
from cnnbench.tasks.task import TASKS, Task
from cnnbench.text import pydantic_message

Pairs = tuple[tuple[str, Any], ...]
"""Names and values of options."""

FIELD = "options"  # of `TrainingConfig`


def target_name(task: Task) -> str:
    """Return the name of the option that is the target of a training: ``target_top1``."""
    return f"target_{task.watched}"


def targets_in(options: Pairs) -> list[str]:
    """Return the targets among options."""
    names = {target_name(task) for task in TASKS.values()}
    return [name for name, value in options if name in names and value is not None]


def names(task: Task | None = None) -> list[str]:
    """Return the names of the options of a task, or of all tasks."""
    tasks = TASKS.values() if task is None else [task]
    return list(dict.fromkeys(name for one in tasks for name in _schema(one).model_fields))


def collected(given: Mapping[str, Any], task: str | None) -> Mapping[str, Any]:
    """Return the fields of a `TrainingConfig`, with all options as pairs in the field `FIELD`.

    Args:
        given: fields and options by name, as written.
        task: its name; None for an entry that may train models of several tasks.

    Raises:
        ValidationError: a value that no task can take.
    """
    known = [TASKS[task]] if task is not None else list(TASKS.values())
    written = {name: given[name] for name in names() if name in given}
    written |= dict(given.get(FIELD, ()))
    if not written:
        return given
    if task is not None and (others := written.keys() - set(names(known[0]))):
        raise ValueError(f"{', '.join(sorted(others))}: not an option of {task}")
    rest = {name: value for name, value in given.items() if name not in written}
    if task is not None:
        return rest | {FIELD: of(known[0], written)}
    _check(known, written)
    return rest | {FIELD: tuple(written.items())}


def of(task: Task, options: Mapping[str, Any]) -> Pairs:
    """Return those of ``options`` that ``task`` has and that differ from their defaults.

    Raises:
        ValidationError: a value that the task cannot take.
    """
    schema = _schema(task)
    given = {name: value for name, value in options.items() if name in schema.model_fields}
    found = schema.model_validate(given)
    defaults = schema()
    return tuple((name, value) for name, value in found if value != getattr(defaults, name))


def for_model(task: Task, options: Pairs) -> Pairs:
    """Return `of` for one model of an entry.

    Raises:
        UserError: a value that the model's task cannot take.
    """
    try:
        return of(task, dict(options))
    except ValidationError as error:
        (first, *_) = error.errors()
        place = ".".join(map(str, first["loc"]))
        words = f"{place}: {pydantic_message(first)}"
        raise UserError(f"{words} (an option of {task.name})") from None


def parsed(task: Task, options: Pairs) -> Any:
    """Return options as an instance of `Task.options`."""
    given = dict(options)
    given.pop(target_name(task), None)
    return task.options.model_validate(given)


def written(task: Task, options: Pairs) -> dict[str, Any]:
    """Return options as JSON values for a key: the target, and others that are not at defaults."""
    found = _schema(task).model_validate(dict(options)).model_dump(mode="json")
    kept = {target_name(task), *dict(options)}
    return {name: value for name, value in found.items() if name in kept}


def _check(tasks: Iterable[Task], options: Mapping[str, Any]) -> None:
    """Raise `ValidationError` if there is an option with a value that none of the tasks takes."""
    valid: set[str] = set()
    errors: list[ValidationError] = []
    for task in tasks:
        try:
            valid |= {name for name, _ in _checked(task, options)}
        except ValidationError as error:
            errors.append(error)
    if options.keys() - valid and errors:
        raise errors[0]


def _checked(task: Task, options: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    schema = _schema(task)
    given = {name: value for name, value in options.items() if name in schema.model_fields}
    schema.model_validate(given)
    return given.items()


def _schema(task: Task) -> type[StrictModel]:
    """Return the schema of the options of a task, its target included."""
    return _with_target(task.options, target_name(task))


@cache
def _with_target(options: type[StrictModel], target: str) -> type[StrictModel]:
    value: Any = (Fraction | None, None)
    found: type[StrictModel] = create_model(target, __base__=options, **{target: value})
    return found
