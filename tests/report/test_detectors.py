"""Sections and curves of detectors, and rankings of backbones by task, computed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cnnbench import plots
from cnnbench.record import Record
from cnnbench.report import files, html
from cnnbench.report.sections import detectors, rankings, sections
from cnnbench.report.sections.section import Section
from cnnbench.results import tables
from cnnbench.results.tables import Run
from tests.detectors import LABEL, detector
from tests.records import HOSTILE, record
from tests.report.browsing import Seen, chromium

SEEDS = (-1, 0, 1)


def run_of(records: list[Record]) -> Run:
    return Run(Path("run"), tables.measured(records), records)


def detector_section(records: list[Record]) -> Section:
    found = detectors.section(run_of(records))
    assert found is not None
    return found


def test_numbers_of_classes_and_kinds_of_error() -> None:
    found = detector_section([*detector("A", (0.4, 0.5)), *detector("B", (0.3, 0.3))])
    numbers, classes, errors = found.blocks
    assert numbers.title == f"Average precision: {LABEL}"
    assert numbers.heads[:3] == ("Model", "AP", "AP50")
    assert [row[0] for row in numbers.rows] == ["A", "B"]
    assert numbers.rows[0][1].startswith("45.0 % (") and numbers.rows[0][2].startswith("90.0 %")
    assert classes.heads == ("Model", "cell", "nucleus")
    assert classes.rows == (("A", "55.0 %", "35.0 %"), ("B", "40.0 %", "20.0 %"))
    assert errors.heads[:3] == ("Model", "Right", "Classification")
    assert errors.rows[0][1:] == ("50.0 %", "5.0 %", "20.0 %", "1.0 %", "4.0 %", "10.0 %", "25.0 %")
    assert found.notes[0] == "A: missed (25.0 %), then localization (20.0 %)"


def test_a_bare_table_has_the_numbers_alone() -> None:
    table = run_of(detector("A", (0.4, 0.5))).measured
    found = detectors.section(Run(Path("report.csv"), table))
    assert found is not None and [block.heads[1] for block in found.blocks] == ["AP"]
    assert detectors.section(run_of([record("A", "static", macs=5.0)])) is None


@pytest.mark.parametrize(
    "edit",
    [{"errors": {"missed": "many"}}, {"class_ap": [1]}, {"classes": "cell"}, {"n_objects": None},
     {"errors": []}, {"curves": {"0.5": [1]}}, {"curves": {"0.5": {"all": [0, 5000]}}},
     {"class_objects": {}}],
)  # fmt: skip
def test_edited_details_are_left_out(edit: dict[str, Any]) -> None:
    edited = [replace(one, details=one.details | edit) for one in detector("A", (0.4, 0.5))]
    assert detectors.section(run_of(edited)) is not None
    html.page(run_of(edited))


def test_curves_are_means_over_the_seeds() -> None:
    first, second = detector("A", (0.4, 0.5))
    other = {"0.5": {"all": [800, 500, 300, 0], "classes": []}}
    second = replace(second, details=second.details | {"curves": other})
    drawn = plots.precision_recall(run_of([first, second]))
    assert plots.svg(drawn).count("A: precision 90.0% at a recall of 0%") == 1
    chart = drawn.to_dict()
    rows = {(row["iou"], row["of_class"]): row for row in chart["data"]["values"]}
    assert set(rows) == {("0.5", "all classes"), ("0.5", "cell"), ("0.75", "all classes")}
    assert rows["0.5", "all classes"]["precision"] == [0.9, 0.7, 0.4, 0]
    assert rows["0.5", "all classes"]["recall"] == pytest.approx([0, 1 / 3, 2 / 3, 1], abs=1e-4)
    with pytest.raises(plots.NothingToDraw, match="no record"):
        plots.precision_recall(run_of([]))
    with pytest.raises(plots.NothingToDraw, match="'elsewhere'"):
        plots.precision_recall(run_of([first]), "elsewhere")


@pytest.fixture(scope="module")
def browser() -> Any:
    with chromium() as found:
        yield found


def test_the_page_shows_curves_and_words(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    run = run_of([*detector("A", (0.4, 0.5)), *detector(HOSTILE, (0.3, 0.3))])
    file.write_text(html.page(run), encoding="utf-8")
    seen = Seen(browser, file)
    # Two networks at a recall of 0 and 1: other points of four are not at whole tenths.
    seen.expect("#precision_recall [tabindex][aria-label*='at a recall']", 2 * 2)
    assert "Kinds of error" in seen.page.locator("#detectors").inner_text()
    assert seen.errors == []
    seen.page.close()


def trained(backbone: str, head: str, values: Sequence[float]) -> list[Record]:
    """Return a backbone as classifier (no head), localiser or detector, one record a seed."""
    name, _, parameters = backbone.partition("[")
    if head in ("yolo", "retina"):
        return detector(f"{backbone}+{head}[classes=10,input_shape=96x96x1]", values)
    inside = ",".join(filter(None, [parameters.rstrip("]"), "classes=10"]))
    model = f"{backbone}+box[classes=10]" if head else f"{name}[{inside}]"
    metric, task = ("mean_iou", "localization") if head else ("top1", "classification")
    found = []
    for seed, value in enumerate(values):
        details = {"n_test": 2000, "chance": 0.1}
        setting = {"dataset": "scenes", "image_size": 112, "task": task}
        # A localiser has a top-1 too, by which it is not ranked.
        metrics = {"top1": 1 - value, metric: value}
        found.append(record(model, "accuracy", seed, details=details, setting=setting, **metrics))
    return found


def ranking(
    values: Mapping[str, Mapping[str, float]], apart: float = 0.002, seeds: Sequence[int] = SEEDS
) -> Section | None:
    """Return the section of head -> backbone -> mean, with seeds so far ``apart``."""
    records = [
        one
        for head, of in values.items()
        for backbone, mean in of.items()
        for one in trained(backbone, head, [mean + apart * seed for seed in seeds])
    ]
    return rankings.section(tables.measured(records))


TOP1 = {"BasicCNN": 0.9, "ResNet18": 0.8, "MobileNetV2[alpha=0.35]": 0.7, "LeNet5": 0.6}
SAME = dict(zip(TOP1, (0.5, 0.4, 0.3, 0.2), strict=True))
OTHER = dict(zip(TOP1, (0.5, 0.3, 0.4, 0.2), strict=True))


def answers(found: Section | None) -> tuple[tuple[str, ...], ...]:
    assert found is not None
    return found.blocks[1].rows


def test_one_order_in_both_tasks() -> None:
    found = ranking({"": TOP1, "yolo": SAME})
    assert answers(found) == (
        ("classification and detection (+yolo)", "4", "1.00", "1.00 to 1.00", "the same"),
    )
    assert found is not None
    assert found.blocks[0].heads == ("Backbone", "Top-1: classification", "AP: detection (+yolo)")
    assert found.blocks[0].rows[2] == ("MobileNetV2[alpha=0.35]", "70.0 % (3)", "30.0 % (3)")
    (note,) = found.notes
    assert note.endswith("the same ranking of all 4 backbones.")


def test_two_backbones_that_change_places() -> None:
    found = ranking({"": TOP1, "box": TOP1, "yolo": OTHER})
    by_tasks = {row[0]: row[1:] for row in answers(found)}
    # One of six pairs is ordered differently: (5 - 1) / 6.
    changed = ("4", "0.67", "0.67 to 0.67", "changed")
    assert by_tasks == {
        "classification and localization (+box)": ("4", "1.00", "1.00 to 1.00", "the same"),
        "classification and detection (+yolo)": changed,
        "localization (+box) and detection (+yolo)": changed,
    }
    assert found is not None
    assert (
        "ResNet18 is better than MobileNetV2[alpha=0.35] in classification, worse in detection "
        "(+yolo)."
    ) in found.notes


def test_two_heads_of_one_task_are_two_rankings() -> None:
    found = ranking({"yolo": SAME, "retina": SAME})
    ((tasks, *_rest, answer),) = answers(found)
    assert (tasks, answer) == ("detection (+yolo) and detection (+retina)", "the same")


def test_what_other_seeds_could_change_is_not_settled() -> None:
    found = ranking({"": TOP1, "yolo": OTHER}, apart=0.06)
    ((_, _, tau, interval, answer),) = answers(found)
    low, high = map(float, interval.split(" to "))
    assert (tau, answer) == ("0.67", "not settled") and low < 0.67 <= high == 1
    ((*_rest, interval, answer),) = answers(ranking({"": TOP1, "yolo": OTHER}, seeds=(0,)))
    assert (interval, answer) == ("", "not settled: at least 2 seeds are needed")


def test_backbones_that_cannot_be_told_apart_are_not_settled() -> None:
    # Their order is the same, by chance; of five there are 120, of which most draws have another.
    names = (*TOP1, "SqueezeNet1_1")
    close = {name: 0.5 + 0.001 * place for place, name in enumerate(names)}
    found = ranking({"": close, "yolo": close}, apart=0.06)
    ((_, count, tau, interval, answer),) = answers(found)
    assert (count, tau, answer) == ("5", "1.00", "not settled")
    assert float(interval.split(" to ")[1]) < 1
    assert found is not None
    (note,) = found.notes
    assert "is better than" not in note


def test_two_backbones_or_one_task_have_no_section() -> None:
    few = {name: TOP1[name] for name in ("BasicCNN", "ResNet18")}
    assert ranking({"": few, "yolo": few}) is None
    assert ranking({"yolo": SAME}) is None
    # A detector that a constant answer equals is not ranked, which leaves three, or two.
    assert answers(ranking({"": TOP1, "yolo": SAME | {"LeNet5": 0.011}}))[0][1] == "3"
    blind = {"LeNet5": 0.011, "ResNet18": 0.012}
    assert ranking({"": TOP1, "yolo": SAME | blind}) is None


def test_one_section_alone_of_a_bare_table(tmp_path: Path) -> None:
    records = [
        one
        for head, of in (("", TOP1), ("yolo", OTHER))
        for backbone, mean in of.items()
        for one in trained(backbone, head, [mean + 0.002 * seed for seed in SEEDS])
    ]
    run = run_of(records)
    file = tmp_path / "report.csv"
    file.write_text(run.measured.to_csv())
    found = next(one for one in sections(run) if one.name == "rankings")
    assert files.section(file, "rankings", "md") == found.as_markdown().lstrip("\n")
