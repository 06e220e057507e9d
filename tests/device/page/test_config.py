from __future__ import annotations

import msgspec
import pytest

from waste_edge.device.config import read_config
from waste_edge.device.page.config import PageConfig, read_token, with_address
from waste_edge.errors import ConfigError

TOKEN = "0123456789abcdef"


def test_the_page_is_off_unless_its_table_is_there(tmp_path):
    (tmp_path / "station.toml").write_text('camera = "synthetic"\n')
    assert read_config(tmp_path / "station.toml").page is None


def test_a_table_without_keys_is_a_page_for_this_machine_alone(tmp_path):
    (tmp_path / "station.toml").write_text('camera = "synthetic"\n[page]\n')
    page = read_config(tmp_path / "station.toml").page
    assert page is not None
    assert (page.address, page.is_local, read_token(page)) == ("http://127.0.0.1:8470/", True, "")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("port = 0", "port must be 1 to 65535"),
        ('host = "a b"', "expected an address or a name"),
        ('host = "http://bin"', "expected an address or a name"),
        ('names = ["bin:80"]', "expected a host name without port"),
        ("items = 501", "items must be 1 to 500"),
        ("live_fps = 60", "live_fps must be 0.2 to 15"),
        ('token = "x"', "token"),
        ('token_file = "a"\ntoken_environment = "B"', "not both"),
    ],
)
def test_a_wrong_key_is_named(tmp_path, line, said):
    path = tmp_path / "station.toml"
    path.write_text(f'camera = "synthetic"\n[page]\n{line}\n')
    with pytest.raises(ConfigError, match=said) as error:
        read_config(path)
    assert "page" in str(error.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "bin1.local"])
def test_beyond_this_machine_a_token_is_required(host):
    with pytest.raises(ConfigError, match="a token is required: give token_file"):
        read_token(PageConfig(host=host))


def test_a_token_file_lies_beside_the_configuration(tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "station.toml").write_text('camera = "auto"\n[page]\nhost = "0.0.0.0"\ntoken_file = "token"\n')
    page = read_config(tmp_path / "station.toml").page
    assert page is not None
    assert page.secret_files() == (str(tmp_path / "token"),)
    assert read_token(page) == TOKEN


@pytest.mark.parametrize("token", ["", "short", "0123456789 abcdef", "0123456789abcdé"])
def test_a_token_that_can_be_guessed_or_typed_wrong_is_refused(token):
    config = PageConfig(token_environment="THE_TOKEN")
    with pytest.raises(ConfigError, match="expected at least 16 letters without blanks; openssl"):
        read_token(config, {"THE_TOKEN": token})


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"token_file .*: cannot be read"):
        read_token(PageConfig(token_file=str(tmp_path / "none")))
    with pytest.raises(ConfigError, match="no variable THE_TOKEN"):
        read_token(PageConfig(token_environment="THE_TOKEN"), {})


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [
        ("", "127.0.0.1", 8470),
        ("8080", "127.0.0.1", 8080),
        ("0.0.0.0", "0.0.0.0", 8470),
        ("0.0.0.0:81", "0.0.0.0", 81),
        ("localhost:81", "localhost", 81),
        ("[::1]:81", "::1", 81),
        ("::1", "::1", 8470),
    ],
)
def test_an_address_of_the_command_line(given, host, port):
    config = with_address(PageConfig(), given)
    assert (config.host, config.port) == (host, port)


@pytest.mark.parametrize("given", ["70000", "http://bin", "a b", ":"])
def test_a_wrong_address_of_the_command_line(given):
    with pytest.raises(ConfigError, match="expected HOST, PORT or HOST:PORT"):
        with_address(PageConfig(), given)


def test_a_configured_page_keeps_its_other_keys():
    config = with_address(PageConfig(token_environment="T", items=7), "81")
    assert (config.port, config.token_environment, config.items) == (81, "T", 7)
    assert msgspec.structs.replace(config, port=8470) == PageConfig(token_environment="T", items=7)


@pytest.mark.parametrize(
    ("table", "address"),
    [
        ({}, ""),
        ({"host": "::1"}, ""),
        ({"host": "192.0.2.7", "port": 8080}, "http://192.0.2.7:8080/"),
        ({"host": "bin1.example.org"}, "http://bin1.example.org:8470/"),
        ({"host": "0.0.0.0", "names": ["bin1.example.org"]}, "http://bin1.example.org:8470/"),
        ({"host": "2001:db8::1"}, "http://[2001:db8::1]:8470/"),
    ],
)
def test_the_address_for_other_machines(table, address):
    assert PageConfig(**table).address_for_others == address


def test_a_page_at_every_address_is_reached_by_the_machine_s_name(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "bin1.example.org")
    assert PageConfig(host="0.0.0.0").address_for_others == "http://bin1.local:8470/"
