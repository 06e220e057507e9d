"""Keys, and bundles signed with them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from waste_edge.bundle.manifest import MANIFEST_NAME
from waste_edge.bundle.signing import SIGNATURE_NAME, read_signer


class Keys(NamedTuple):
    """Files of a private key and its public one."""

    private: Path
    public: Path


def make_keys(folder: Path) -> Keys:
    """Make a pair."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    folder.mkdir()
    key, pem = Ed25519PrivateKey.generate(), serialization.Encoding.PEM
    keys = Keys(folder / "station.key", folder / "station.pub")
    plain = serialization.NoEncryption()
    keys.private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    keys.public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return keys


def sign(bundle: Path, keys: Keys) -> None:
    """Sign a bundle's folder as it is now."""
    (bundle / SIGNATURE_NAME).write_bytes(read_signer(keys.private).sign((bundle / MANIFEST_NAME).read_bytes()))
