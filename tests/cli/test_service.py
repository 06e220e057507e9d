"""`waste-edge service`."""

from __future__ import annotations

import os

import pytest
from typer.testing import CliRunner

from waste_edge.cli.service import app
from waste_edge.errors import UserError

runner = CliRunner()


def test_a_dry_install_prints_the_unit_and_the_commands_and_needs_no_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = runner.invoke(app, ["install", "--dry-run"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "# /etc/systemd/system/waste-edge.service"
    assert any(line.endswith("/waste-edge run --camera --json") for line in lines)
    assert lines[-2:] == ["$ systemctl daemon-reload", "$ systemctl enable --now waste-edge.service"]


def test_a_dry_uninstall_prints_the_commands(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = runner.invoke(app, ["uninstall", "--dry-run"])
    assert result.stdout.splitlines() == [
        "$ systemctl disable --now waste-edge.service",
        "$ rm /etc/systemd/system/waste-edge.service",
        "$ systemctl daemon-reload",
    ]


@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_without_root_it_is_one_line_and_exit_code_2(monkeypatch, verb):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    error = runner.invoke(app, [verb]).exception
    assert isinstance(error, UserError)
    assert error.exit_code == 2
    assert "needs root" in str(error)
    assert "\n" not in str(error)


def test_help_names_both():
    result = runner.invoke(app, [])
    assert "install" in result.output
    assert "uninstall" in result.output
