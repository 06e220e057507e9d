"""The project as a user installs it: the wheel built from the sdist, in environments of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def call(*command: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command outside the checkout, without what the test runner's environment would lend it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run(
        [str(part) for part in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


class Environment:
    """A virtual environment, with a folder to stand in that is not the checkout."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=True)
        self.bin = folder / "venv" / "bin"
        self.folder = folder

    def install(self, *requirements: object) -> None:
        done = call(
            self.bin / "pip", "install", "--quiet", "--disable-pip-version-check", *requirements, folder=self.folder
        )
        assert done.returncode == 0, done.stderr

    def run(self, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return call(self.bin / program, *arguments, folder=self.folder)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist, not from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    done = call(sys.executable, "-m", "build", "--outdir", folder, ROOT, folder=folder)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def runtime(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """What `pip install waste-edge` gives."""
    environment = Environment(tmp_path_factory.mktemp("runtime"))
    environment.install(wheel)
    return environment


@pytest.fixture(scope="session")
def numpy1(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The same beside numpy 1, as picamera2 on Raspberry Pi OS Bookworm needs it."""
    environment = Environment(tmp_path_factory.mktemp("numpy1"))
    environment.install("numpy<2", wheel)
    return environment
