"""A package that is not installed is named with the remedy that there is on this machine."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from waste_edge.errors import MissingPackageError, extra_required


def missing(name: str) -> str:
    with pytest.raises(MissingPackageError) as told, extra_required("export"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return str(told.value)


def test_the_extra_that_brings_it_is_named() -> None:
    assert missing("onnx") == "onnx is not installed: this belongs on a workstation; pip install 'waste-edge[export]'"


def test_what_arm64_has_no_wheel_for_is_not_said_to_be_installable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="aarch64"))
    assert missing("litert_torch") == (
        "litert-torch has no wheel for Linux on arm64; take the run folder to an x86-64 machine or a Mac, "
        "and export it there"
    )
    assert "pip install" in missing("onnx")
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="x86_64"))
    assert "pip install 'waste-edge[export]'" in missing("litert_torch")


def test_a_module_of_our_own_is_no_missing_package() -> None:
    with pytest.raises(ModuleNotFoundError), extra_required("export"):
        raise ModuleNotFoundError("No module named 'waste_edge.nothing'", name="waste_edge.nothing")
