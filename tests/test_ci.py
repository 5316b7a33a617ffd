"""The list of slow tests in the Makefile is complete."""

from __future__ import annotations

import re

from tests.conftest import ROOT


def test_the_slow_test_list_of_ci_is_complete() -> None:
    (listed,) = re.findall(r"^SLOW := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    mark = "mark." + "slow"
    slow = [file for file in (ROOT / "tests").glob("**/test_*.py") if mark in file.read_text()]
    first = {file.relative_to(ROOT / "tests").parts[0] for file in slow}
    assert first == set(listed.split())
