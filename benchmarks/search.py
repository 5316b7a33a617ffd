"""Replay the search for the answer to a question on the journal of a complete run.

Records are taken from the journal when the search asks for their jobs, as if they ran; their
durations add up to the time of the search. Beside it stand the winner of the complete run, and
whether the two are statistically tied there.

    python benchmarks/search.py RUN --question '{maximize: top1, max: {file: 6MB}}' [--format md]
    python benchmarks/search.py --examples [--format md]    questions to the published runs
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from cnnbench.errors import UserError
from cnnbench.execution.search import Search, SearchState
from cnnbench.markdown import markdown
from cnnbench.models import registry
from cnnbench.probes.settings import Spec
from cnnbench.record import Record, model_title
from cnnbench.report.layout import aligned
from cnnbench.results import tables
from cnnbench.selection.answer import shortened, terms
from cnnbench.selection.choose import Choice
from cnnbench.selection.choose.choice import decide
from cnnbench.suite import plan as planning
from cnnbench.suite import question as questions
from cnnbench.suite import suite as suites
from cnnbench.suite.plan import Cell, Network
from cnnbench.suite.question import Question
from cnnbench.units import show_duration

PUBLISHED = Path(__file__).parents[1] / "results" / "published"
EXAMPLES = (
    ("compression", "{maximize: top1@fashion_mnist, max: {file: 1.5MB}}"),
    ("fashion_mnist", "{maximize: top1@fashion_mnist/scratch/32px}"),
    (
        "mobile",
        "{maximize: top1@fashion_mnist, max: {latency_p90@cpu/litert/b1: 15ms, file: 12MB}}",
    ),
    (
        "localization",
        "{maximize: 'mean_iou@scenes[objects=1,px=64,sides=10-44]', "
        "max: {latency_p50@cpu/litert/b1: 2ms, file: 4MB}}",
    ),
    ("mobile", "{minimize: latency_p50@cpu/litert/b1, min: {top1@fashion_mnist: 50%}}"),
    (
        "table_14_3",
        "{maximize: published_top1, max: {latency_p50@cpu/litert/b1: 60ms, file: 40MB}}",
    ),
)
HASHES = ("weights_sha256", "dataset_sha256", "class_names_sha256")
HEADS = (
    "Run",
    "Question",
    "Networks",
    "Left out",
    "Winner",
    "Winner of the complete run",
    "Until the answer",
    "With the rest",
)


@dataclass(frozen=True)
class Replay:
    """A search beside the complete run.

    Attributes:
        run: name of the run.
        question: resolved.
        networks: those that have the objective.
        state: of the search at its end.
        found, complete: the choice by what the search measured, and by everything.
        answered: duration of the jobs that the search asked for to find the answer, and of the
            same jobs of all networks.
        measured: likewise, with what else the suite measures of the networks that are left; of the
            complete run.
    """

    run: str
    question: Question
    networks: frozenset[Network]
    state: SearchState
    found: Choice
    complete: Choice
    answered: tuple[float, float]
    measured: tuple[float, float]

    def cells(self) -> tuple[str, ...]:
        """Return it as a row of the table."""
        return (
            self.run,
            shortened(self.question, questions.in_words(self.question)),
            str(len(self.networks)),
            str(len(self.networks & self.state.left_out.keys())),
            winner(self.found),
            winner(self.complete) + self._tie(),
            share(*self.answered),
            share(*self.measured),
        )

    def _tie(self) -> str:
        """Return whether the complete run ties another winner with its own."""
        if winner(self.found) == winner(self.complete):
            return ""
        tied = [candidate.name for candidate in self.complete.ties]
        return ", tied" if winner(self.found) in tied else ", not tied"


def share(part: float, whole: float) -> str:
    """Return ``6 min of 27 min (22 %)``."""
    return f"{show_duration(part)} of {show_duration(whole)} ({100 * part / whole:.0f} %)"


def winner(choice: Choice) -> str:
    """Return the name of the winner."""
    return choice.winner.name if choice.winner else "none"


def replay(folder: Path, text: str) -> Replay:
    """Replay the search for the answer to a question, written as in a suite."""
    records = [record for record in tables.load(folder).raw if not record.is_left_out]
    question, cells = planned(folder, text, records)
    recorded = {record.key for record in records}
    cells = [cell for cell in cells if any(job.key in recorded for job in cell.jobs())]
    search = Search(question, cells)
    state = search.state(records, lambda job: False)
    asked = [record for record in records if record.key in state.asked]
    networks = frozenset(cell.network for cell in cells if question.objective in cell.columns)
    deciding = {
        job.key
        for cell in cells
        if cell.network in networks and search.decides(cell)
        for job in cell.jobs()
    }
    return Replay(
        folder.name,
        question,
        networks,
        state,
        choice(asked, question),
        choice(records, question),
        (seconds(asked, deciding), seconds(records, deciding)),
        (seconds(asked), seconds(records)),
    )


def seconds(records: Sequence[Record], keys: Collection[str] | None = None) -> float:
    """Return the duration of records, or of those with one of the keys."""
    return sum(one.duration_s for one in records if keys is None or one.key in keys)


def planned(folder: Path, text: str, records: Sequence[Record]) -> tuple[Question, Sequence[Cell]]:
    """Return the question, resolved, and the cells of a run's suite."""
    suite = suites.load(folder / "suite.yaml", registry)
    asked = Question.model_validate(yaml.safe_load(text)) if text else suite.question
    if asked is None:
        raise UserError("the suite states no question", str(folder), "give one with --question")
    probes = tuple((name, with_hashes(spec, records)) for name, spec in suite.probes)
    plan = planning.plan(replace(suite, probes=probes, question=asked))
    assert plan.question is not None  # else there is a mistake
    return plan.question, plan.cells


def with_hashes(spec: Spec, records: Sequence[Record]) -> Spec:
    """Return an entry with the hashes of the files that it names, as its records have them.

    The files need not be on this machine.
    """
    found: dict[str, str] = {}
    for setting in (record.setting for record in records):
        same = [setting.get(name) == getattr(spec, name, None) for name in ("dataset", "recipe")]
        if all(same) and setting.get("weights") == getattr(spec, "weights", None):
            found |= {name: setting[name] for name in HASHES if setting.get(name)}
    return spec.model_copy(update=found)


def choice(records: Sequence[Record], question: Question) -> Choice:
    """Return the choice by some records."""
    return decide(tables.measured(records).rows, *terms(question))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("--question", default="", help="as in a suite; by default the suite's own")
    parser.add_argument("--examples", action="store_true")
    parser.add_argument("--format", choices=("text", "md"), default="text")
    arguments = parser.parse_args()
    wanted = [(PUBLISHED / name, text) for name, text in EXAMPLES] if arguments.examples else []
    if arguments.run:
        wanted.append((arguments.run, arguments.question))
    replays = [replay(folder, text) for folder, text in wanted]
    rows = [HEADS, *(one.cells() for one in replays)]
    if arguments.format == "md":
        lines = ["| " + " | ".join(map(markdown, row)) + " |" for row in rows]
        print("\n".join([lines[0], "|---" * len(HEADS) + "|", *lines[1:]]))
        return
    print("\n".join(aligned(rows)))
    for one in replays:
        print()
        for network, reason in one.state.left_out.items():
            if network in one.networks:
                print(f"{one.run}: left out: {model_title(*network[:2])}: {reason}")


if __name__ == "__main__":
    main()
