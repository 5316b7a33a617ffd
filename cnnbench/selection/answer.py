"""Answer of a run to the question of its suite, with what the search left out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cnnbench.metrics import METRICS, cut, split
from cnnbench.metrics import column as column_of
from cnnbench.plugins import PROBES
from cnnbench.probes.summary import unresolved_failures
from cnnbench.record import LEFT_OUT, Record
from cnnbench.results import machines
from cnnbench.results.report import FACTS, Report
from cnnbench.results.tables import Run
from cnnbench.row import Row
from cnnbench.selection.choose import text as choose_text
from cnnbench.selection.choose.candidate import Objective
from cnnbench.selection.choose.choice import Choice, decide
from cnnbench.selection.choose.limits import Limit
from cnnbench.suite import question as questions
from cnnbench.suite.question import Question
from cnnbench.text import plural, printable, shape_text
from cnnbench.units import show_duration


@dataclass(frozen=True)
class Omission:
    """Measurements of one network that were left out.

    Attributes:
        row: of the network.
        reason: why it can no longer win.
        repeats: noun -> how many were not run: ``{"round": 3, "seed": 2}``.
        seconds: what these would have taken; None if no comparable job has run.
    """

    row: Row
    reason: str
    repeats: tuple[tuple[str, int], ...]
    seconds: float | None

    def __str__(self) -> str:
        words = " and ".join(plural(count, noun) for noun, count in self.repeats)
        time = f", about {show_duration(self.seconds)}" if self.seconds is not None else ""
        return f"{self.row.name}: {self.reason}; {words} not run{time}"


@dataclass(frozen=True)
class Answer:
    """Answer to a question.

    Attributes:
        question: resolved.
        choice: by what was measured.
        omissions: one per network that was not measured to the end.
    """

    question: Question
    choice: Choice
    omissions: tuple[Omission, ...]

    @property
    def sentence(self) -> str:
        """The verdict in a sentence, which repeats the question."""
        winner, goal = self.choice.winner, self.choice.objective
        if winner is None:
            found = shortened(self.question, next(choose_text.lines(self.choice)))
            return f"Asked for the {self.asked}. {found}"
        ties = ", ".join(tie.name for tie in self.choice.ties)
        tied = f"; it is statistically tied with {ties}" if ties else ""
        return (
            f"{winner.name} has the {self.asked}: {winner.objective.show(goal.metric.unit)}{tied}."
        )

    @property
    def asked(self) -> str:
        """The question in words, its settings cut to their unambiguous beginnings."""
        return questions.in_words(self.question, list(short_names(self.question).values()))

    @property
    def qualifications(self) -> list[str]:
        """Ties, doubts, and limits to relax where nothing fits; a line each."""
        found = []
        for line in [*choose_text.lines(self.choice)][1:]:
            if not line.startswith("  "):
                break
            found.append(shortened(self.question, line.strip()))
        return found

    @property
    def left_out(self) -> list[str]:
        """Omissions with their reasons, a line per network."""
        return [shortened(self.question, str(one)) for one in self.omissions]

    @property
    def saved(self) -> str:
        """Total of what was left out, in words; empty if everything was measured."""
        repeats: Counter[str] = Counter()
        for one in self.omissions:
            repeats.update(dict(one.repeats))
        if not repeats:
            return ""
        words = " and ".join(plural(count, noun) for noun, count in repeats.items())
        seconds = [one.seconds for one in self.omissions if one.seconds is not None]
        time = f", about {show_duration(sum(seconds))}" if seconds else ""
        return f"{words} of {plural(len(self.omissions), 'network')}{time}"

    def as_text(self) -> str:
        """Return the whole answer as plain text, a blank line between its parts."""
        text = choose_text.as_text(self.choice)
        if self.omissions:
            lines = [f"Left out: {self.saved}", *(f"  {line}" for line in self.left_out)]
            text += "\n" + "\n".join(map(printable, lines)) + "\n"
        return text


def answer(run: Run) -> Answer | None:
    """Return the answer of a run; None if its suite states no question, or nothing has run."""
    question = questions.read(run.path)
    if question is None or not run.measured.rows:
        return None
    question = _placed(question, run.measured)
    choice = decide(run.measured.rows, *terms(question))
    return Answer(question, choice, tuple(_omissions(run)))


def _placed(question: Question, report: Report) -> Question:
    """Return a question about the columns of the one machine that measured them, if they name it.

    Merged shards have such columns.
    """

    def place(name: str) -> str:
        there = [one for one in report.numbers if one.startswith(f"{name}/{machines.PREFIX}")]
        return there[0] if len(there) == 1 and not report.has_value(name) else name

    return question.model_copy(
        update={
            "maximize": question.maximize and place(question.maximize),
            "minimize": question.minimize and place(question.minimize),
            "max": {place(name): value for name, value in question.max.items()},
            "min": {place(name): value for name, value in question.min.items()},
        }
    )


def terms(question: Question) -> tuple[Objective, list[Limit]]:
    """Return what decides, and the limits, of a resolved question."""
    metric = METRICS[split(question.objective)[0]]
    limits = [
        Limit(name, METRICS[split(name)[0]], side, float(value))
        for side, name, value in question.limits
    ]
    return Objective(question.objective, metric, question.sense), limits


def short_names(question: Question) -> dict[str, str]:
    """Return the columns of a question with their settings cut as reports cut them."""
    labels = cut(split(name)[1] for name in question.columns)
    return {
        name: column_of(base, labels[label])
        for name in question.columns
        for base, label in [split(name)]
    }


def shortened(question: Question, words: str) -> str:
    """Return a text with the question's columns cut."""
    for whole, short in short_names(question).items():
        words = words.replace(whole, short)
    return words


def _omissions(run: Run) -> Iterator[Omission]:
    """Yield what is left out still, per network; a job that ran later is not."""
    by_cell: dict[tuple[str, ...], list[Record]] = {}
    for record in run.raw:
        setting = json.dumps(record.setting, sort_keys=True)
        by_cell.setdefault((*_row_of(record), record.probe, setting), []).append(record)
    for row in run.measured:
        facts = (row.facts.get(name, "") for name in FACTS)
        place = row.model, row.variant, *facts
        cells = [of_cell for (*own, _, _), of_cell in by_cell.items() if tuple(own) == place]
        failures = [unresolved_failures(of_cell) for of_cell in cells]
        found = [of[-1] for of in failures if of and of[-1].is_left_out]
        if found:
            yield _omission(row, found)


def _row_of(record: Record) -> tuple[str, ...]:
    return record.model, record.variant, shape_text(record.input_shape), str(record.classes)


def _omission(row: Row, found: Sequence[Record]) -> Omission:
    """Return what was left out of a network; ``found`` has the last record of each cell."""
    repeats: Counter[str] = Counter()
    for record in found:
        repeats[PROBES[record.probe].repeat] += record.details[LEFT_OUT]["repeats"]
    times = [record.details[LEFT_OUT]["seconds"] for record in found]
    known = [seconds for seconds in times if seconds is not None]
    seconds = sum(known) if len(known) == len(times) else None
    return Omission(row, found[-1].reason, tuple(repeats.items()), seconds)
