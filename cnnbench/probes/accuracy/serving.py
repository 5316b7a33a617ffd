"""Choice of the models that an entry of the ``accuracy`` probe trains, and of their tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cnnbench.data.annotations import Kind
from cnnbench.data.augmentation import Augment, refuse_rotation
from cnnbench.data.datasets import short_name
from cnnbench.errors import UserError
from cnnbench.models.handle import ModelInfo
from cnnbench.models.model_name import FEW, by_architecture
from cnnbench.named import show
from cnnbench.probes.accuracy import task_options
from cnnbench.probes.accuracy.task_options import Pairs
from cnnbench.probes.accuracy.training_config import (
    CONTINUE,
    EVALUATING,
    IMAGENET,
    NONE,
    TrainingConfig,
)
from cnnbench.probes.settings import Misfit
from cnnbench.tasks.task import TASKS, Task

_WORDS: dict[Kind, str] = {
    "class": "one class for each image",
    "boxes": "boxes",
    "instances": "instance masks",
    "semantic": "semantic masks",
    "tracks": "tracks",
}


@dataclass(frozen=True)
class Serving:
    """Data and task that an entry offers to models.

    Attributes:
        dataset: its name, for messages.
        annotations: what is known of its images; None if the user's files were not found.
        task: the only task, as the entry states it; None for any.
        recipe: of the entry.
    """

    dataset: str
    annotations: frozenset[Kind] | None
    task: str | None
    recipe: str = "scratch"

    def task_for(self, model: ModelInfo) -> str | None:
        """Return the task that a model would be trained for; None if the entry is for another.

        A model that states no task, as a user's own builder, does what the entry says.
        """
        if self.task is None or model.task == self.task:
            return model.task
        return self.task if model.is_task_assumed else None

    def serves(self, model: ModelInfo) -> bool:
        """Return whether a model can be trained: the images have what its task needs."""
        return self.refusal(model) is None

    def tasks_of(self, models: Sequence[ModelInfo]) -> list[Task]:
        """Return the tasks that some of the models are trained for."""
        names = [self.task_for(model) for model in models if self.serves(model)]
        return [TASKS[name] for name in dict.fromkeys(names) if name is not None]

    def refusal(self, model: ModelInfo) -> UserError | None:
        """Return why a model cannot be trained; None if it can."""
        if classifier := _slid(model):
            what = f"{model.label} slides {classifier.label} over larger images"
            return UserError(what, hint=f"train the classifier, {classifier.label}")
        if model.converted_file is not None and self.recipe not in EVALUATING:
            what = f"{model.label} is a converted file, which cannot be trained"
            return UserError(what, hint=f"recipe: {NONE} evaluates it as it is")
        if self.recipe == NONE and not model.is_trained:
            what = f"{model.label} comes without trained weights"
            return UserError(what, hint=f"recipe: {NONE} is for .keras and .tflite files")
        task = self.task_for(model)
        if task is None:
            what = f"{model.label} is for {model.task}, and the entry says task: {self.task}"
            return UserError(what, hint="omit task to train each model for its own")
        if lacks := self._lacks(TASKS.find(task)):
            what = f"{model.label} is for {task}, which needs {_listed(lacks)}; {self._offer()}"
            return UserError(what, hint="name another data set, or another model")
        return None

    def _lacks(self, task: Task) -> frozenset[Kind]:
        return frozenset() if self.annotations is None else task.needs - self.annotations

    def _offer(self) -> str:
        """Return what the data set has, and which tasks it serves."""
        assert self.annotations is not None
        served = [name for name, task in TASKS.items() if not self._lacks(task)]
        use = f" and serves {', '.join(served)}" if served else " and serves no task"
        return f"{self.dataset} has {_listed(self.annotations)}{use}"


def _slid(model: ModelInfo) -> ModelInfo | None:
    """Return the classifier that a model applies at every place of larger images; else None."""
    under = model.backbone
    if under is None or under.task != model.task or under.input_shape == model.input_shape:
        return None
    return under


def misfits(
    serving: Serving, listed: Sequence[str] | None, models: Sequence[ModelInfo]
) -> Iterator[Misfit]:
    """Yield the models that an entry lists in vain, or that it serves none.

    Args:
        serving: what the entry offers.
        listed: the labels that it lists; None for all models of the suite.
        models: those that it lists, or all.
    """
    refused = [(model, error) for model in models if (error := serving.refusal(model))]
    if listed is not None:
        for model, error in refused:
            yield Misfit(("models", list(listed).index(model.label)), error)
    elif models and len(refused) == len(models):
        model, error = refused[0]
        more = f", as for {len(models) - 1} more" if len(models) > 1 else ""
        yield Misfit((), UserError(f"it serves no model: {error.what}{more}", hint=error.hint))


def size_note(
    option: str, size: object, models: Sequence[ModelInfo], kept: Sequence[ModelInfo]
) -> str:
    """Return the remark on which of ``models`` a size in an option applies to: all but ``kept``."""
    rest = ", ".join(by_architecture(model.label for model in models if model not in kept))
    owners = [f"{m.label} keeps its own input, {show(m.input_shape)}" for m in kept]
    if len(kept) > FEW:
        owners = [f"{', '.join(by_architecture(m.label for m in kept))} keep their own input"]
    applies = f"{option}: {size} applies to {rest or 'none of its models'}"
    return "; ".join([applies, *owners])


def check(config: TrainingConfig, model: ModelInfo, task: Task, classes: int) -> None:
    """Refuse to train a model with a head for other classes, or with settings of another's head.

    Args:
        config: the entry.
        model: the model.
        task: what it is trained for.
        classes: those of the data set; 0 if unknown before reading it.

    Raises:
        UserError: why it cannot be trained so.
    """
    if config.recipe not in EVALUATING and (refusal := task.refusal(model, classes)):
        needed = len(task.network_classes([""] * classes))
        hint = f"write classes={needed} in its name, or omit it"
        raise UserError(f"{short_name(config.dataset)}: {refusal}", hint=hint)
    if config.recipe == CONTINUE and config.weights == IMAGENET and not model.is_trained:
        what = f"{model.label} comes without trained weights"
        raise UserError(what, hint="add weights: FILE, or name a .keras file as the model")
    if config.recipe == "transfer" and model.backbone and config.is_changed("dropout"):
        words = "dropout belongs to the new head of a backbone without one"
        raise UserError(words, hint="omit it, or give it to the head in the model's name")


def option_misfits(options: Pairs, tasks: Sequence[Task]) -> Iterator[Misfit]:
    """Yield the options of tasks that no model of an entry has."""
    known = {name for task in tasks for name in task_options.names(task)}
    for name, _ in options if tasks else ():
        if name not in known:
            owners = [task.name for task in TASKS.values() if name in task_options.names(task)]
            here = ", ".join(task.name for task in tasks)
            what = f"{name} is an option of {', '.join(owners)}; its models are for {here}"
            yield Misfit((name,), UserError(what, hint=f"omit {name}"))


def rotation_misfits(augment: Augment, tasks: Sequence[Task]) -> Iterator[Misfit]:
    """Yield an error if objects would be rotated whose pixels are unknown."""
    for task in tasks:
        try:
            refuse_rotation(augment, task.needs, "")
        except UserError as error:
            what = f"augment.rotation, for {task.name}: {error.what}"
            yield Misfit(("augment", "rotation"), UserError(what, hint=error.hint))


def _listed(kinds: frozenset[Kind]) -> str:
    return " and ".join(words for kind, words in _WORDS.items() if kind in kinds) or "nothing"
