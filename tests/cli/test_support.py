"""`waste-edge support`, with the real doctor and no bench."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

WasteEdge = Callable[..., Any]


def test_one_zip_lists_what_went_in(waste_edge: WasteEdge, tmp_path: Path) -> None:
    config, out = tmp_path / "station.toml", tmp_path / "report.zip"
    config.write_text('camera = "/dev/video987"\npassword = "planted-secret"\n')
    outcome = waste_edge("support", "--config", config, "--no-bench", "--out", out)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert "planted-secret" not in outcome.stdout
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert {"contents.txt", "versions.json", "station.toml", "doctor.json"} <= set(names)
        assert "bench.json" not in names
        assert not [name for name in names if name.startswith("pictures")]
        assert b"planted-secret" not in b"".join(archive.read(name) for name in names)
        assert "unknown key `password`" in json.loads(archive.read("doctor.json"))["error"]
    assert all(name in outcome.stdout for name in names if name != "contents.txt")
    again = waste_edge("support", "--config", config, "--out", out)
    assert (again.exit_code, again.stderr) == (2, f"waste-edge: {out}: exists already; choose another --out\n")


def test_wrong_paths_are_one_line(waste_edge: WasteEdge, tmp_path: Path) -> None:
    for option in ("--config", "--log"):
        outcome = waste_edge("support", option, tmp_path / "none", "--out", tmp_path / "x.zip")
        assert (outcome.exit_code, len(outcome.stderr.splitlines())) == (2, 1)
        assert f"{option} {tmp_path / 'none'}: no such file" in outcome.stderr
    assert list(tmp_path.iterdir()) == []
