"""docs/workflow-files.md: its examples are files that are understood, its fields are all there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imageport.cli.run_view import target_json
from imageport.model.service import JobStatus
from imageport.workflow.file import FileTarget, Share, read_workflow
from imageport.workflow.plan import Doing, Step
from tests.unit.workflow.files import written
from tests.unit.workflow.test_plan import entry, wanted

DOCS = (Path(__file__).parents[3] / "docs/workflow-files.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", DOCS, re.M | re.S)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_understood(tmp_path: Path, text: str) -> None:
    assert read_workflow(written(tmp_path, text))[0].targets


def test_every_field_is_there() -> None:
    assert len(EXAMPLES) == 2
    fields = {field.alias for field in FileTarget.model_fields.values()}
    fields |= {f"share.{field.alias}" for field in Share.model_fields.values()}
    known = entry(JobStatus.COMPLETE)
    fields |= set(target_json(Step(wanted(), Doing.NOTHING, known), known))
    assert len(fields) > 30
    assert [field for field in fields if f"`{field}`" not in DOCS] == []
