"""What `make test-newest` installs."""

from __future__ import annotations

import importlib.metadata
import tomllib

import pytest
import yaml

from tools.newest import PYPROJECT, beyond, requirements, without_upper_bounds


@pytest.mark.parametrize(
    ("written", "newest"),
    [
        ("numpy>=1.24,<3", "numpy>=1.24"),
        ("onnxruntime>=1.19,!=1.21.0,<1.33", "onnxruntime>=1.19,!=1.21.0"),
        ("litert-torch==0.10.*", "litert-torch>=0.10"),
        ("pytest", "pytest"),
        ("jinja2>=3.1; python_version > '3.10'", "jinja2>=3.1; python_version > '3.10'"),
    ],
)
def test_upper_bounds_go_and_known_bad_versions_stay_out(written: str, newest: str) -> None:
    assert without_upper_bounds(written) == newest


def test_extras_are_followed() -> None:
    project = {"dependencies": ["a>=1"], "optional-dependencies": {"x": ["waste-edge[y,x]", "b"], "y": ["c<2"]}}
    assert list(requirements(project, ["x"])) == ["a>=1", "b", "c<2"]


def test_what_is_newer_than_its_bound_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: {"a": "2.10.1", "b": "0.11.0"}[name])
    assert beyond("a<2.10") == "a 2.10.1 is newer than a<2.10"
    assert beyond("b==0.10.*") == "b 0.11.0 is newer than b==0.10.*"
    assert [beyond(one) for one in ("a<2.11", "a<3", "a>=1", "b==0.11.*")] == [""] * 4


def test_every_engine_has_an_upper_bound_and_its_known_bad_versions() -> None:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    engines = {one.split(">")[0]: one for one in project["dependencies"] if "onnxruntime" in one or "litert" in one}
    assert all("<" in one for one in engines.values())
    assert "!=1.21.0" in engines["onnxruntime"]
    assert all("<" in one for one in project["dependencies"])


def test_this_environment_is_within_the_bounds() -> None:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    assert [line for one in project["dependencies"] if (line := beyond(one))] == []


def test_the_week_s_run_is_scheduled_and_is_what_cron_would_start() -> None:
    root = PYPROJECT.parent
    workflow = yaml.safe_load((root / ".github/workflows/weekly.yml").read_text(encoding="utf-8"))
    cron = workflow[True]["schedule"][0]["cron"]  # YAML 1.1 reads `on` as a truth
    assert [step["run"] for step in workflow["jobs"]["newest"]["steps"] if "run" in step] == ["bash .ci/weekly"]
    weekly = (root / ".ci/weekly").read_text(encoding="utf-8")
    assert f"cron: {cron};" in weekly
    assert weekly.rstrip().endswith("exec make test-newest")
