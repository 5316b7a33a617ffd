"""A catalogue of made-up models: enough to check and plan a suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnbench.errors import UserError, nearest
from cnnbench.suite import suite as suites
from cnnbench.suite import yaml_source
from cnnbench.suite.plan import Plan, plan


@dataclass(frozen=True)
class FakeModel:
    text: str
    label: str
    input_shape: tuple[int, ...] = (32, 32, 3)
    classes: int = 10
    min_size: int | None = None
    stated: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    output: str | None = None
    task: str = "classification"
    is_task_assumed: bool = False
    backbone: None = None
    is_trained: bool = False
    converted_file: None = None

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.label}


class FakeCatalogue:
    names = ("Alpha", "Beta", "MobileNetV2")

    def resolve(self, text: str, search_path: Sequence[Path] = ()) -> FakeModel:
        for name in self.names:
            if name.lower() == text.lower():
                return FakeModel(text, name)
        raise UserError(f"unknown model '{text}'", hint=nearest(text, self.names))


def plan_of(text: str, data_dir: Path | None = None) -> Plan:
    return plan(suites.check(yaml_source.parse(text, "s.yaml"), FakeCatalogue()), data_dir)
