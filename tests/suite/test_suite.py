"""A suite is checked whole: every mistake at once, each with its line."""

import textwrap

import pytest

from cnnbench.errors import UserError, UserErrors
from cnnbench.suite import yaml_source
from cnnbench.suite.suite import Suite, check
from tests.suite.fake import FakeCatalogue


def read(text: str) -> Suite:
    return check(yaml_source.parse(textwrap.dedent(text), "s.yaml"), FakeCatalogue())


def complaints(text: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        read(text)
    error = caught.value
    several = error.errors if isinstance(error, UserErrors) else (error,)
    return [e.one_line() for e in several]


def test_a_good_suite() -> None:
    suite = read("""
        name: good
        models: [alpha, BETA]
        probes:
          static:
          latency: {runtimes: [graph, litert], precision: 5%}
          memory: [{batch_sizes: 1}, {batch_sizes: [2, 4]}]
        limits: {timeout: 10min, memory: 8GiB}
        """)
    assert [model.label for model in suite.models] == ["Alpha", "Beta"]
    assert [name for name, _ in suite.probes] == ["static", "latency", "memory", "memory"]
    assert suite.limits.timeout == 600
    assert suite.limits.memory == 8 * 2**30


def test_all_mistakes_are_reported_with_their_lines() -> None:
    lines = complaints("""\
        name: ../bad
        models:
          - MobilNetV2
          - Alpha
          - alpha
        probes:
          statik: {}
          latency: {runtime: [graph], batch_sizes: [0]}
        limts: {timeout: 20}
        limits: {timeout: 20, memory: lots}
        """)
    text = "\n".join(lines)
    assert "s.yaml:1: name: '../bad' is not a valid name (letters" in text
    assert "s.yaml:3: unknown model 'MobilNetV2' (did you mean 'MobileNetV2'?)" in text
    assert "s.yaml:5: 'alpha' is the same model as 'Alpha'" in text
    assert "s.yaml:7: unknown probe 'statik' (did you mean 'static'?)" in text
    assert "s.yaml:8: unknown key 'probes.latency.runtime' (did you mean 'runtimes'?)" in text
    assert "s.yaml:8: probes.latency.batch_sizes.0: 0 should be greater than" in text
    assert "s.yaml:9: unknown key 'limts' (did you mean 'limits'?)" in text
    assert "s.yaml:10: limits.memory: 'lots' is not a quantity (write for example 10MB" in text
    assert len(lines) == 8
    assert [int(line.split(":")[1]) for line in lines] == sorted(
        int(line.split(":")[1]) for line in lines
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "a suite is a mapping"),
        ("- a\n- b", "a suite is a mapping"),
        ('name: "\\ud83d\\ude00"', "s.yaml:1: half of a surrogate pair"),
        ('"\\ud83d": x', "s.yaml:1: half of a surrogate pair"),
        ('name: x\nmodels: ["\\e[2J"]', "s.yaml:2: a control character"),
        ('"\\x9b2J": x', "s.yaml:1: a control character"),
        ("\x00name: x", "not valid YAML: unacceptable character"),
        ("name: x\nmodels: [0x" + "f" * 5000 + "]", "s.yaml:2: a number of 5002 digits"),
        ("name: x\n? 0x" + "f" * 5000 + "\n: 1", "s.yaml:2: a number of 5002 digits"),
        ("name: x\nmodels: [Alpha]", "'probes' is missing"),
        ("name: x\nmodels: []\nprobes: {static: }", "models: [] should have at least 1 item"),
        ("name: x\nname: y\nmodels: [Alpha]\nprobes: {static: }", "s.yaml:2: duplicate key 'name'"),
        ("name: x\nmodels: [Alpha\nprobes: {}", "not valid YAML"),
        ("name: x\nmodels: !!timestamp 2026-99-99x", ":2: not valid YAML: '2026-99-99x' is no"),
        ("name: 2026-99-99", ":1: not valid YAML: '2026-99-99' is not a valid timestamp"),
        ("name: !!bool maybe", ":1: not valid YAML: 'maybe' is not a valid bool"),
        ("name: !!int ''", ":1: not valid YAML: '' is not a valid int"),
        ('name: "\\UFFFFFFFF"', "not valid YAML: an escape that is not a character"),
        ("name: x\nmodels: [Alpha]\nprobes: {static: 3}", "probes.static: 3 should be a mapping"),
        ("name: x\nmodels: [Alpha]\nprobes: {static: []}", "'static' is an empty list"),
        ("name: !!python/object/apply:os.system [ls]\nmodels: [Alpha]", "not valid YAML"),
        ("name: x\nmodels: [3]\nprobes: {static: }", "s.yaml:2: models.0: 3 should be a "),
        ("name: x\nmodels: [Alpha]\nprobes: {latency: {min_rounds: 9, max_rounds: 2}}",
         "min_rounds is 9, more than max_rounds, 2"),
        ("name: x\nmodels: [Alpha]\nprobes: {latency: {threads: [0]}}",
         "probes.latency.threads.0: 0 should be 'all' or greater than or equal to 1"),
        ("name: x\nmodels: [Alpha]\nprobes: {static: {batch_sizes: [2, 2]}}", "duplicate value 2"),
        ("name: x\nmodels: [Alpha]\nprobes: {static: }\nlimits: {timeout: -1s}", "limits.timeout"),
        ("name: x\nmodels: [Alpha]\nprobes: {static: }\nlimits: {memory: 8}",
         "s.yaml:4: limits.memory: 8 bytes is too small; did you mean 8GiB?"),
        ("name: x\nmodels: [Alpha]\nprobes: {accuracy: {dataset: mnistt, recipe: scratchy}}",
         "probes.accuracy.dataset: 'mnistt': unknown data set (one of: "),
        ("name: x\nmodels: [Alpha]\nprobes: {accuracy: {dataset: mnistt, recipe: scratchy}}",
         "probes.accuracy.recipe: 'scratchy' should be 'scratch'"),
        ("name: x\nmodels: [Alpha]\nprobes: {accuracy: {dataset: digits, early_stop: 3}}",
         "probes.accuracy: early_stop needs validation images: set validation: 0.1"),
        ("name: x\nmodels: [Alpha]\nprobes: {static: [{models: [Alhpa]}]}",
         "s.yaml:3: 'Alhpa' is not in the suite's models (did you mean 'Alpha'?)"),
        ("name: x\nmodels: [Alpha]\nprobes: {static: {models: []}}",
         "static.models: [] should have at least 1 item"),
        ("a: &a [x]\nb: &b [*a,*a]\nmodels: *b", "unknown key"),
    ],
)  # fmt: skip
def test_mistakes(text: str, complaint: str) -> None:
    assert complaint in "\n".join(complaints(text))


def test_an_alias_bomb_is_refused() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
    )
    assert "more than 20000 values" in complaints(bomb)[0]
    assert "contains itself" in complaints("a: &a [*a]")[0]


def test_an_alias_bomb_through_keys_that_stand_twice_is_refused() -> None:
    bomb = "a0: &a0 {x: 1, x: 1}\n" + "".join(
        f"a{i}: &a{i} {{x: *a{i - 1}, x: *a{i - 1}}}\n" for i in range(1, 31)
    )
    lines = complaints(bomb)
    assert lines == [f"s.yaml:{line}: duplicate key 'x'" for line in range(1, 32)]
    wide = "a: &a {" + "x: 1, " * 300 + "}\nb: [" + "*a, " * 300 + "]\n"
    assert "more than 20000 values" in complaints(wide)[0]


def test_deep_nesting_is_refused() -> None:
    assert "nested too deeply" in complaints("[" * 5000 + "]" * 5000)[0]
