"""The same wheel as another version, with something appended to its files: what an update may bring."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path


def altered_wheel(wheel: Path, folder: Path, version: str, appended: Mapping[str, str]) -> Path:
    """Write the wheel into `folder` as `version`; pip holds no installed file against RECORD."""
    before = wheel.name.split("-")[1]
    target = folder / wheel.name.replace(before, version, 1)
    left = set(appended)
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith(".dist-info/METADATA"):
                content = re.sub(rb"(?m)^Version: .*$", f"Version: {version}".encode(), content, count=1)
            elif name.endswith(".dist-info/RECORD") or name == "waste_edge/__init__.py":
                content = content.replace(before.encode(), version.encode())
            elif name in left:
                content += appended[name].encode()
                left.discard(name)
            new.writestr(name.replace(f"waste_edge-{before}.dist-info", f"waste_edge-{version}.dist-info"), content)
    assert not left, f"{wheel.name} holds no {left}"
    return target
