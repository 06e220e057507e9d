"""The service under systemd: environments it is installed into, its unit, updates, and what systemd is told.

What is in `unit.py` is found here, too, as when all of it was one module.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    from importlib import import_module  # not before it is asked for: the installer has Python's own library only

    return getattr(import_module("waste_edge.device.service.unit"), name)
