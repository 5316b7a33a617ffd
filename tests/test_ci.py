"""CI runs every slow test: the Makefile's list leaves none out."""

from __future__ import annotations

import re

from tests.conftest import ROOT


def test_every_slow_test_is_in_the_list_that_ci_works_off() -> None:
    (listed,) = re.findall(r"^SLOW := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    mark = "mark." + "slow"
    slow = [file for file in (ROOT / "tests").glob("**/test_*.py") if mark in file.read_text()]
    first = {file.relative_to(ROOT / "tests").parts[0] for file in slow}
    assert first == set(listed.split())
