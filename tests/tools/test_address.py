"""One setting names the repository, and no page is left with another."""

from __future__ import annotations

import subprocess
import tomllib

import pytest

from tools.address import ADD_ON, PAGES, ROOT, main, with_address, with_url
from waste_edge.errors import ConfigError

PLACEHOLDER = "ADDRESS_OF" + "_THIS_REPOSITORY"


def test_the_pages_have_the_address_that_is_set() -> None:
    assert main(["--check"]) == 0


def test_an_address_comes_and_goes() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = with_address(text, "https://example.org/waste-edge.git", "README.md")
    assert "git clone https://example.org/waste-edge.git waste-edge && cd waste-edge\n" in named
    assert with_address(named, "", "README.md") == with_address(text, "", "README.md")


def test_the_add_on_points_to_us_or_nowhere() -> None:
    text = (ROOT / ADD_ON).read_text(encoding="utf-8")
    named = with_url(text, "https://example.org/waste-edge.git")
    assert "\nurl: https://example.org/waste-edge\n" in named
    assert with_url(named, "") == with_url(text, "") == with_url(text, "git@example.org:waste-edge.git")
    assert "\nurl:" not in with_url(named, "")
    with pytest.raises(ConfigError, match=r"config\.yaml: expected one line with the url, found 0"):
        with_url("name: x\n", "")
    with pytest.raises(ConfigError, match=r"tool\.waste-edge\.address"):
        with_url(text, "file:///etc")


@pytest.mark.parametrize("address", ["waste-edge", "https://a b", "file:///etc", "https://x; rm -rf /"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"tool\.waste-edge\.address"):
        with_address("cd waste-edge   # a checkout\n", address, "README.md")


def test_a_page_without_the_line_is_named() -> None:
    with pytest.raises(ConfigError, match=r"README\.md: expected one line that gets the checkout, found 0"):
        with_address("nothing\n", "", "README.md")


def test_no_placeholder_and_no_other_clone_is_left() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no git checkout")
    address = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["waste-edge"]["address"]
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.suffix not in (".md", ".sh", ".toml", ".py", ".yml", "") or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        assert PLACEHOLDER not in text, name
        if name in PAGES and not address:
            assert "git clone" not in text, name
