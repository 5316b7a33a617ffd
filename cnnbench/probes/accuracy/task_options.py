"""Options of a training that only some tasks have, written among the others in a suite's entry.

An entry may train models of several tasks; each setting takes the options of its own task. The
``target`` is one of them, as it is named by the metric of its task: ``target_top1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError, create_model
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from cnnbench.errors import UserError, all_of
from cnnbench.schema import ONLY_TRAINS, Fraction, StrictModel
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


def of_training(options: Pairs) -> list[str]:
    """Return the names of the options that say something about the training alone."""
    schemas = [task.options.model_fields for task in TASKS.values()]
    return [
        name
        for name, value in options
        if any(
            ONLY_TRAINS in fields[name].metadata and value != fields[name].default
            for fields in schemas
            if name in fields
        )
    ]


def names(task: Task | None = None) -> list[str]:
    """Return the names of the options of a task, or of all tasks."""
    tasks = TASKS.values() if task is None else [task]
    return list(dict.fromkeys(name for one in tasks for name in _schema(one).model_fields))


def collected(
    given: Mapping[str, Any], task: str | None
) -> tuple[Mapping[str, Any], list[InitErrorDetails]]:
    """Return the fields of a `TrainingConfig`, with all options as pairs in the field `FIELD`.

    The second result is what is wrong with the options, which are then left out.

    Args:
        given: fields and options by name, as written.
        task: its name; None for an entry that may train models of several tasks.
    """
    written = {name: given[name] for name in names() if name in given}
    rest = {name: value for name, value in given.items() if name not in (FIELD, *written)}
    errors: list[InitErrorDetails] = []
    if _are_pairs(pairs := given.get(FIELD, ())):
        written |= dict(pairs)
    else:  # in a suite, where options are written like fields
        errors.append({"type": "extra_forbidden", "loc": (FIELD,), "input": pairs})
    if not written:
        return rest, errors
    known = list(TASKS.values()) if task is None else [TASKS[task]]
    others = written.keys() - {name for one in known for name in names(one)}
    words = f"not an option of {task}"
    errors += [
        {"type": PydanticCustomError("not_of_task", words), "loc": (name,), "input": given}  # type: ignore[misc]
        for name in written
        if name in others
    ]
    errors += _errors(known, {name: written[name] for name in written if name not in others})
    if errors:
        return rest, errors
    return rest | {FIELD: tuple(written.items()) if task is None else of(TASKS[task], written)}, []


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
        UserError: the values that the model's task cannot take.
    """
    try:
        return of(task, dict(options))
    except ValidationError as error:
        raise all_of([_refused(task, one) for one in error.errors()]) from None


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


def line_errors(error: ValidationError) -> list[InitErrorDetails]:
    """Return the mistakes in a `ValidationError` in the form of which another can be made."""
    return [
        {
            "type": PydanticCustomError(one["type"], one["msg"], one.get("ctx")),  # type: ignore
            "loc": one["loc"],
            "input": one["input"],
        }
        for one in error.errors()
    ]


def _are_pairs(value: Any) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in value
    )


def _refused(task: Task, error: ErrorDetails) -> UserError:
    place = ".".join(map(str, error["loc"]))
    return UserError(f"{place}: {pydantic_message(error)} (an option of {task.name})")


def _errors(tasks: Iterable[Task], options: Mapping[str, Any]) -> list[InitErrorDetails]:
    """Return what is wrong with options whose values none of the tasks takes."""
    taken: set[str] = set()
    found: list[InitErrorDetails] = []
    for task in tasks:
        schema = _schema(task)
        given = {name: value for name, value in options.items() if name in schema.model_fields}
        wrong: set[Any] = set()
        try:
            schema.model_validate(given)
        except ValidationError as error:
            known = [one["loc"] for one in found]
            found += [one for one in line_errors(error) if one["loc"] not in known]
            # An error without a place is about values that do not agree.
            wrong = {name for one in error.errors() for name in (one["loc"][:1] or given)}
        taken |= given.keys() - wrong
    return [one for one in found if not taken.issuperset(one["loc"][:1] or options)]


def _schema(task: Task) -> type[StrictModel]:
    """Return the schema of the options of a task, its target included."""
    return _with_target(task.options, target_name(task))


@cache
def _with_target(options: type[StrictModel], target: str) -> type[StrictModel]:
    value: Any = (Fraction | None, None)
    found: type[StrictModel] = create_model(target, __base__=options, **{target: value})
    return found
