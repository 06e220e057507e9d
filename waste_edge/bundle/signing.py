"""Signed bundles: ed25519 over the manifest's bytes, which vouch for every other file by SHA-256.

Keys are PEM files as OpenSSL makes them (docs/bundle.md has the two commands), and the signature is the 64 raw
bytes that `openssl pkeyutl -verify -rawin` takes, so nobody depends on this project to make or check one.
`cryptography` is imported only when there is something to sign or to check.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from waste_edge.errors import BundleError, ConfigError, MissingPackageError
from waste_edge.files.bounded import read_bounded
from waste_edge.files.limits import MAX_KEY_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE_NAME = "manifest.sig"
SIGNATURE_BYTES = 64
REQUIRE_KEY_VARIABLE = "WASTE_EDGE_REQUIRE_KEY"  # names the public key that the whole device requires
_MAKE_KEY = "openssl genpkey -algorithm ed25519 -out station.key"
_MAKE_PUBLIC_KEY = "openssl pkey -in station.key -pubout -out station.pub"


class Signer:
    """Private key of the signer, read and checked before the long work starts."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def sign(self, content: bytes) -> bytes:
        """The 64-byte signature; ed25519 gives the same bytes for the same content."""
        return self._key.sign(content)


class RequiredKey:
    """The public key without whose signature no bundle is opened."""

    def __init__(self, key: Ed25519PublicKey, path: Path) -> None:
        self._key = key
        self.path = path

    def check(self, content: bytes, signature: bytes | None, source: Path) -> None:
        """Raise BundleError unless `signature` is this key's signature over `content`.

        Args:
            content: the manifest's bytes, the very ones that will be decoded.
            signature: the bytes beside it; None if there are none.
            source: the bundle as the user knows it, for the message.
        """
        from cryptography.exceptions import InvalidSignature

        if signature is None:
            raise BundleError(
                f"{source}: not signed, and this device requires {self.path}; export it with --sign and the "
                "private key that belongs to it"
            )
        try:
            self._key.verify(signature, content)
        except InvalidSignature as error:
            raise BundleError(
                f"{source}: {SIGNATURE_NAME} is not {self.path}'s signature of this manifest: signed by another key, "
                "or changed after signing; do not use it, export it again with --sign"
            ) from error


def read_signer(path: Path) -> Signer:
    """Read a private key, PEM without a passphrase.

    Raises:
        ConfigError: missing, encrypted, or not an ed25519 private key; the message says how to make one.
        MissingPackageError: `cryptography` is not installed.
    """
    serialization, ed25519 = _library()
    remedy = f"expected an ed25519 private key in PEM; make one with: {_MAKE_KEY}"
    content = _read(path, remedy)
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except TypeError as error:  # that is how the library says that a passphrase is missing
        raise ConfigError(
            f"{path}: the key has a passphrase, which an export cannot ask for; "
            f"take it off with: openssl pkey -in {path} -out plain.key"
        ) from error
    except Exception as error:  # a file that is no key makes the parser raise one of many classes
        raise ConfigError(f"{path}: {remedy}") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ConfigError(f"{path}: holds a {_kind(key)}; {remedy}")
    return Signer(key)


def read_required_key(path: Path) -> RequiredKey:
    """Read a public key, PEM.

    Raises:
        ConfigError: missing, or not an ed25519 public key; the message says how to make one.
        MissingPackageError: `cryptography` is not installed: without it a signature cannot be checked, and an
            unchecked bundle must not run.
    """
    serialization, ed25519 = _library()
    remedy = f"expected an ed25519 public key in PEM; make one with: {_MAKE_PUBLIC_KEY}"
    content = _read(path, remedy)
    try:
        key = serialization.load_pem_public_key(content)
    except Exception as error:  # see read_signer
        raise ConfigError(f"{path}: {remedy}") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise ConfigError(f"{path}: holds a {_kind(key)}; {remedy}")
    return RequiredKey(key, path)


def _library() -> tuple[Any, Any]:
    """cryptography's `serialization` and `ed25519` modules."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise MissingPackageError(
            "cryptography is not installed, so signatures can be neither made nor checked; "
            "pip install 'waste-edge[sign]'"
        ) from error
    return serialization, ed25519


def _read(path: Path, remedy: str) -> bytes:
    try:
        return read_bounded(path, MAX_KEY_BYTES)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error


def _kind(key: object) -> str:
    return type(key).__name__.strip("_")
