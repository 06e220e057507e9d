from __future__ import annotations

import socket

import pytest

from tests.device.page.pages import fed_page, free_port
from waste_edge.device.doctor.page import check_page
from waste_edge.device.page.config import PageConfig
from waste_edge.device.system.condition import Level

pytest.importorskip("uvicorn", reason="the extra [web] is not installed")


def test_a_page_that_can_be_opened():
    [found] = check_page(PageConfig(port=free_port()))
    assert (found.level, found.part) == (Level.OK, "page")
    assert "for this machine alone" in found.text


def test_a_page_for_others_without_a_token_is_bad():
    [found] = check_page(PageConfig(host="0.0.0.0", port=free_port()))
    assert found.level is Level.BAD
    assert "a token is required" in found.text


def test_a_missing_package_is_bad(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    [found] = check_page(PageConfig())
    assert (found.level, found.text) == (Level.BAD, "[page] needs starlette; pip install 'waste-edge[web]'")


def test_a_port_of_another_program_is_named():
    with socket.create_server(("127.0.0.1", 0)) as other:
        [found] = check_page(PageConfig(port=other.getsockname()[1]))
    assert found.level is Level.WARN
    assert "another program has port" in found.text


def test_a_page_that_runs_already_is_well():
    with fed_page() as page:
        [found] = check_page(PageConfig(port=page.port))
    assert found.level is Level.OK, found.text


def test_an_address_that_this_machine_has_not():
    [found] = check_page(PageConfig(host="192.0.2.1", port=free_port(), token_environment="PATH"))
    assert found.level is Level.WARN
    assert "cannot listen at 192.0.2.1" in found.text
