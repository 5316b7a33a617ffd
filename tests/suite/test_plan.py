"""Suite -> cells and jobs, and the keys that name them."""

from pathlib import Path

import pytest

from cnnbench.errors import UserError
from cnnbench.metrics import column
from cnnbench.record import PREPARE
from tests.suite.fake import plan_of

SUITE = """
name: small
models: [Alpha, Beta]
probes:
  latency: {runtimes: [graph, litert], min_rounds: 2, max_rounds: 3}
  static: {batch_sizes: [1, 32]}
limits: {timeout: 1min}
"""


def test_cells_are_models_times_settings_and_static_comes_first() -> None:
    plan = plan_of(SUITE)
    assert [cell.title() for cell in plan.cells] == [
        "Alpha static b1",
        "Alpha static b32",
        "Beta static b1",
        "Beta static b32",
        "Alpha latency cpu/graph/b1",
        "Alpha latency cpu/litert/b1",
        "Beta latency cpu/graph/b1",
        "Beta latency cpu/litert/b1",
    ]
    assert [job.repeat for job in plan.cells[4].jobs()] == [PREPARE, 0, 1, 2]
    assert [job.repeat for job in plan.cells[0].jobs()] == [0]


def test_keys_are_distinct_and_the_same_in_every_process() -> None:
    keys = [job.key for cell in plan_of(SUITE).cells for job in cell.jobs()]
    assert len(set(keys)) == len(keys) == 4 + 4 * 4
    assert keys == [job.key for cell in plan_of(SUITE).cells for job in cell.jobs()]


def test_limits_are_not_in_the_key_and_rounds_are_not_either() -> None:
    other = plan_of(SUITE.replace("1min", "9min"))
    assert other.id == plan_of(SUITE).id
    more = plan_of(SUITE.replace("max_rounds: 3", "max_rounds: 9"))
    assert more.id == plan_of(SUITE).id
    assert [cell.key for cell in more.cells] == [cell.key for cell in plan_of(SUITE).cells]
    turned = plan_of(SUITE.replace("[Alpha, Beta]", "[Beta, Alpha]"))
    assert turned.id == plan_of(SUITE).id, "another order is the same plan"
    assert [c.key for c in turned.cells] != [c.key for c in plan_of(SUITE).cells]
    assert plan_of(SUITE.replace("[Alpha, Beta]", "[Beta]")).id != turned.id


def test_a_part_of_the_plan() -> None:
    plan = plan_of(SUITE)
    assert {cell.model.label for cell in plan.part(only=["alpha"])} == {"Alpha"}
    assert {cell.probe for cell in plan.part(probes=["latency"])} == {"latency"}
    with pytest.raises(UserError, match="--only: 'Gamma' is not in this suite"):
        plan.part(only=["Gamma"])
    with pytest.raises(UserError, match="did you mean 'static'"):
        plan.part(probes=["statik"])


def test_two_forms_that_name_the_same_cell_make_one() -> None:
    plan = plan_of("""
name: twice
models: [Alpha]
probes: {static: [{batch_sizes: [1, 2]}, {batch_sizes: [2, 4]}]}
""")
    assert [cell.setting.label() for cell in plan.cells] == ["b1", "b2", "b4"]


def test_a_cell_that_two_forms_name_is_measured_by_what_satisfies_both() -> None:
    plan = plan_of("""
name: twice
models: [Alpha]
probes:
  latency:
    - {runtimes: [graph], precision: 5%, max_rounds: 12}
    - {runtimes: [graph], precision: 2%, min_rounds: 8, max_rounds: 10}
""")
    (cell,) = plan.cells
    rule = cell.rule
    assert (rule.at_least, rule.at_most, rule.precision) == (8, 12, pytest.approx(0.02))


def test_rejects_two_entries_with_the_same_column() -> None:
    with pytest.raises(UserError) as caught:
        plan_of("""
name: hidden
models: [Alpha]
probes:
  compression:
    - {variants: [pruned-50], fine_tune_epochs: 1}
    - {variants: [pruned-50], fine_tune_epochs: 5}
""")
    words = str(caught.value)
    assert "two entries measure 'Alpha pruned-50 compression conversion'" in words
    assert "differ only in fine_tune_epochs" in words
    assert "put them into two suites" in words


def test_a_form_may_be_for_some_of_the_models_only() -> None:
    plan = plan_of("""
name: some
models: [Alpha, Beta]
probes: {static: [{batch_sizes: [1]}, {batch_sizes: [32], models: [beta]}]}
""")
    assert [cell.title() for cell in plan.cells] == [
        "Alpha static b1",
        "Beta static b1",
        "Beta static b32",
    ]


def test_a_weights_file_is_in_the_key_by_its_bytes_and_not_by_its_place(tmp_path: Path) -> None:
    suite = """
name: transfer
models: [Alpha]
probes: {accuracy: {dataset: tf_flowers, recipe: transfer, weights: w.h5}}
"""
    missing = plan_of(suite, tmp_path)
    (tmp_path / "weights").mkdir()
    file = tmp_path / "weights" / "w.h5"
    file.write_bytes(b"one")
    first = plan_of(suite, tmp_path)
    file.write_bytes(b"two!")
    second = plan_of(suite, tmp_path)
    assert len({missing.id, first.id, second.id}) == 3
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "weights").mkdir(parents=True)
    (elsewhere / "weights" / "w.h5").write_bytes(b"one")
    assert plan_of(suite, elsewhere).id == first.id


def test_the_memory_of_inference_and_of_training_stand_side_by_side() -> None:
    plan = plan_of("""
name: both
models: [Alpha]
probes:
  memory: {modes: [infer, train], devices: [cpu, gpu], batch_sizes: [32], max_batch: [2GiB]}
""")
    assert [cell.title() for cell in plan.cells] == [
        "Alpha memory b32",
        "Alpha memory gpu/b32",
        "Alpha memory 2GiB",
        "Alpha memory train/b32",
        "Alpha memory train/gpu/b32",
        "Alpha memory train/2GiB",
    ]
    columns = [
        column(metric, cell.setting.label_for(metric))
        for cell in plan.cells
        for metric in (*cell.setting.primary_metrics(), "memory_ratio")
    ]
    assert len(set(columns)) == len(columns)
    assert "memory_train_peak_bytes@b32" in columns, "what names its mode does not say it twice"
    assert "memory_ratio@train/b32" in columns


def test_the_batch_that_fits_is_not_asked_of_a_card() -> None:
    with pytest.raises(UserError, match="max_batch measures main memory"):
        plan_of("""
name: fits
models: [Alpha]
probes:
  memory: {devices: [gpu], max_batch: [2GiB]}
""")


@pytest.mark.parametrize("field", ["target_top1: 0.9", "keep_weights: true"])
def test_what_the_compression_would_drop_is_refused(field: str) -> None:
    with pytest.raises(UserError, match="is an option of the accuracy probe"):
        plan_of(f"""
name: dropped
models: [Alpha]
probes:
  compression: {{training: {{dataset: digits, validation: 0.1, {field}}}}}
""")
