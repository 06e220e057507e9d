"""The report's shape is a promise: recorded runs must stay readable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.reports import EXAMPLE, made_up_report
from waste_edge.benchmarks.schema import BenchReport
from waste_edge.errors import ConfigError
from waste_edge.files.strict import read_json, to_json


def test_the_recorded_example_still_reads() -> None:
    """Fails when a key is added, renamed or dropped: a new shape needs a new `schema`, or a default."""
    assert to_json(read_json(EXAMPLE, BenchReport)) == EXAMPLE.read_text(encoding="utf-8")
    assert read_json(EXAMPLE, BenchReport) == made_up_report()


@pytest.mark.parametrize(("key", "value"), [("schema", 1), ("valid", "yes"), ("speed", 1)])
def test_another_shape_is_refused(tmp_path: Path, key: str, value: object) -> None:
    document = json.loads(EXAMPLE.read_text(encoding="utf-8")) | {key: value}
    (tmp_path / "a.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ConfigError, match=key):
        read_json(tmp_path / "a.json", BenchReport)
