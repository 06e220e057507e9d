from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_is_what_the_docstrings_say() -> None:
    pytest.importorskip("griffe", reason="griffelib, of the extra dev, is not installed")
    command = [sys.executable, str(ROOT / "tools" / "make_api_docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), f"docs/api.md is out of date (make api-docs); {done.stderr}"
