"""What root installs is what the list says, signed where the station requires it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from waste_edge.device.service.environments import Environments, Source, call
from waste_edge.device.service.update import _trust, required_key
from waste_edge.device.service.wheels import LIST, check_signature, checked_copy, read_list
from waste_edge.errors import ConfigError, UserError

OURS, OTHER = "waste_edge-1.0-py3-none-any.whl", "numpy-2.2.0-cp313-cp313-manylinux_2_27_aarch64.whl"


@pytest.fixture
def wheels(tmp_path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in (OURS, OTHER):
        (folder / name).write_bytes(name.encode())
    return folder


def write_list(folder: Path) -> None:
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(folder.glob("*.whl"))]
    (folder / LIST).write_text("\n".join(lines) + "\n")


def installed(wheels: Path, home: Path) -> dict[str, bytes]:
    """What pip is given."""
    home.mkdir(exist_ok=True)
    with checked_copy(wheels, home) as given:
        return {path.name: path.read_bytes() for path in given.glob("*.whl")}


def test_a_folder_without_a_list_is_taken_as_it_is(wheels, tmp_path):
    assert read_list(wheels) is None
    assert "has no SHA256SUMS" in _trust(Source(wheels), None)
    with checked_copy(wheels, tmp_path) as given:
        assert given == wheels


def test_what_the_list_says_is_installed_from_a_copy_that_goes_again(wheels, tmp_path):
    write_list(wheels)
    home = tmp_path / "home"
    assert installed(wheels, home) == {OURS: OURS.encode(), OTHER: OTHER.encode()}
    assert list(home.iterdir()) == []
    assert _trust(Source(wheels), None) == ""


def test_pip_is_given_the_copy(wheels, tmp_path):
    write_list(wheels)
    calls: list[list[str]] = []

    def note(command) -> str:
        words = list(map(str, command))
        calls.append(words)
        if "venv" in words:
            (Path(words[-1]) / "bin").mkdir(parents=True)
        return ""

    Environments(tmp_path / "home", call=note).make(Source(wheels))
    (install,) = [words for words in calls if "install" in words]
    assert not any(str(wheels) in word for word in install)
    assert any(word.endswith(f"{OURS}[gpio,mqtt,sign,web]") for word in install)


def alter(wheels: Path) -> None:
    (wheels / OTHER).write_bytes(b"something else")


def add(wheels: Path) -> None:
    (wheels / "evil-1.0-py3-none-any.whl").touch()


def remove(wheels: Path) -> None:
    (wheels / OTHER).unlink()


def link(wheels: Path) -> None:
    (wheels / OTHER).rename(wheels / "elsewhere")
    (wheels / OTHER).symlink_to(wheels / "elsewhere")


def pipe(wheels: Path) -> None:
    (wheels / OTHER).unlink()
    os.mkfifo(wheels / OTHER)


def garble(wheels: Path) -> None:
    (wheels / LIST).write_text("../../etc/passwd\n")


def twice(wheels: Path) -> None:
    (wheels / LIST).write_text((wheels / LIST).read_text() * 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (alter, "sha256 .*SHA256SUMS says"),
        (add, "evil.*not named in SHA256SUMS"),
        (remove, "named in SHA256SUMS, and not there"),
        (link, "cannot be read"),
        (pipe, "no regular file"),
        (garble, "expected a line of sha256sum"),
        (twice, "expected a line of sha256sum"),
    ],
)
def test_what_is_not_on_the_list_is_not_installed(wheels, tmp_path, change, words):
    write_list(wheels)
    change(wheels)
    with pytest.raises(UserError, match=words):
        installed(wheels, tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []


@pytest.fixture
def key(tmp_path) -> Path:
    """A pair of keys, as OpenSSL makes them."""
    private, public = tmp_path / "station.key", tmp_path / "station.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    return public


def sign(wheels: Path, private: Path) -> None:
    command = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", private, "-in", wheels / LIST]
    subprocess.run([*command, "-out", wheels / f"{LIST}.sig"], check=True)


def test_a_signature_by_openssl_is_taken_and_any_change_is_not(wheels, key):
    write_list(wheels)
    with pytest.raises(UserError, match=r"not signed by .*station.pub.*openssl pkeyutl -sign"):
        check_signature(wheels, key)
    sign(wheels, key.with_suffix(".key"))
    assert _trust(Source(wheels), key) == ""
    with (wheels / LIST).open("a") as stream:
        stream.write(f"{'0' * 64}  evil-1.0-py3-none-any.whl\n")
    with pytest.raises(UserError, match="not signed by"):
        _trust(Source(wheels), key)
    (wheels / LIST).unlink()
    with pytest.raises(UserError, match="no SHA256SUMS, and this station requires"):
        _trust(Source(wheels), key)


def test_where_a_key_is_required_nothing_comes_without_its_hash(wheels, key, tmp_path):
    write_list(wheels)
    sign(wheels, key.with_suffix(".key"))
    with pytest.raises(UserError, match="leave out --online"):
        _trust(Source(wheels, online=True), key)
    with pytest.raises(UserError, match="--hashes FILE"):
        _trust(Source(version="1.0"), key)
    hashed = Source(version="1.0", hashes=tmp_path / "requirements.txt")
    assert _trust(hashed, key) == ""
    assert hashed.pip_arguments[:2] == ["--require-hashes", f"--requirement={tmp_path}/requirements.txt"]
    with pytest.raises(UserError, match="--hashes goes with --version"):
        Source(wheels, hashes=tmp_path / "requirements.txt")


def test_the_key_is_that_of_the_bundles(tmp_path):
    config = tmp_path / "station.toml"
    assert required_key(config, {}) is None
    config.write_text('require_key = "station.pub"\n')
    assert required_key(config, {}) == tmp_path / "station.pub"
    assert required_key(config, {"WASTE_EDGE_REQUIRE_KEY": "/etc/other.pub"}) == Path("/etc/other.pub")
    config.write_text("broken")
    with pytest.raises(ConfigError):
        required_key(config, {})


def test_roots_python_imports_nothing_from_the_folder_it_is_started_in(tmp_path, monkeypatch):
    (tmp_path / "argparse.py").write_text(f"open({str(tmp_path / 'planted')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    call(["python3", "-m", "venv", "--help"])
    call(["python3", "-c", "import argparse"])
    assert not (tmp_path / "planted").exists()
