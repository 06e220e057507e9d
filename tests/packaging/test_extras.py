"""Every extra resolves on every Python, on both architectures, with numpy 1 and 2: against the package index itself."""

from __future__ import annotations

import urllib.request
import venv
from pathlib import Path

import pytest

from tests.packaging.conftest import call
from tools.extras import ARCHITECTURES, BOARD, PAGE, PYTHONS, Case, cases, page_with, resolve_all, table, unresolved

INDEX = "https://pypi.org/simple/uv/"


@pytest.fixture(scope="session")
def uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """uv, in an environment of its own."""
    try:
        urllib.request.urlopen(INDEX, timeout=30).close()
    except OSError as error:
        pytest.skip(f"no package index here: {INDEX} ({error})")
    folder = tmp_path_factory.mktemp("uv")
    venv.create(folder, with_pip=True)
    done = call(folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "uv", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "bin/uv"


@pytest.mark.long
@pytest.mark.timeout(1800)  # the first time, uv reads the metadata of hundreds of packages
def test_every_extra_resolves_on_every_python_as_the_page_says(uv: Path) -> None:
    found = resolve_all(uv, cases())
    assert {case: fault for case, fault in found.items() if fault} == {}
    assert page_with(found) == PAGE.read_text(encoding="utf-8"), "run python -m tools.extras"


@pytest.mark.long
@pytest.mark.parametrize("python", PYTHONS[2:])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_numpy_1_has_no_wheel_beyond_python_3_12(uv: Path, python: str, architecture: str) -> None:
    fault = unresolved(uv, Case((), python, architecture, "1"))
    assert "no usable wheels" in fault, "docs/setup.md says so; NUMPY_1_UNTIL in tools/extras.py"
    assert "numpy" in fault


@pytest.mark.long
@pytest.mark.parametrize("python", PYTHONS)
def test_the_one_requirement_that_arm64_has_no_wheel_for(uv: Path, python: str) -> None:
    """When this fails, a wheel has come out: the marker in pyproject.toml and the lines in docs and errors can go."""
    wanted = ["litert-torch==0.10.*"]
    assert "litert-converter" in unresolved(uv, Case((), python, "aarch64", "2"), wanted)
    assert unresolved(uv, Case((), python, "x86_64", "2"), wanted) == ""


def test_a_cell_names_what_resolves_and_where_it_does_not() -> None:
    both = {Case(BOARD, "3.11", one, numpy): "" for one in ARCHITECTURES for numpy in "12"}
    some = {Case((), "3.11", "x86_64", "2"): "", Case((), "3.11", "aarch64", "2"): "no wheel"}
    first, second = table(both | some).splitlines()[2:]
    assert first == "| `waste-edge[gpio,mqtt,sign,web]` | 1, 2 | no | no | no |"
    assert second.startswith("| `waste-edge` | x86-64: 2; arm64: no |")


def test_what_a_board_installs_is_what_is_resolved() -> None:
    root = PAGE.parents[1]
    for path in ("device/gather_wheels.sh", "waste_edge/device/service/environments.py"):
        assert f"[{','.join(BOARD)}]" in (root / path).read_text(encoding="utf-8")
