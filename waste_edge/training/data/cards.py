"""Data cards: where photographs come from, what may be done with them, and what their labels mean elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import msgspec

from waste_edge.errors import ConfigError
from waste_edge.files.resources import find, shipped
from waste_edge.files.strict import Strict, read_toml
from waste_edge.taxonomy import check_labels

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Taxonomy(Strict, frozen=True):
    """One `training/taxonomies/*.toml`: a set of labels that several data sets may be mapped to, and their meaning."""

    name: str
    title: str
    labels: dict[str, str]

    def __post_init__(self) -> None:
        check_labels(list(self.labels))


class DataCard(Strict, frozen=True):
    """One `training/data/*.toml`.

    Attributes:
        addresses: where the archive is, best first; none if one must log in or ask for it.
        sha256: the archive's, where it is known.
        login: what to download by hand and from where, if no program may.
        labels: of the data set as it is unpacked, sorted.
        taxonomy: the name of the taxonomy that these labels are, if they are one.
        folders: folder of the archive -> folder of the data set; only these are unpacked. A part of the archive's
            folder may be a pattern (`TRAIN.*/B`); what it matched becomes a sub-folder, lest a file meet its namesake.
        maps: taxonomy -> each label's label there. What cannot be told has no map.
        notes: what one should know before training on it.
    """

    name: str
    title: str
    citation: str
    homepage: str
    licence: str
    labels: list[str]
    folders: dict[str, str]
    addresses: list[str] = msgspec.field(default_factory=list)
    sha256: str | None = None
    login: str | None = None
    taxonomy: str | None = None
    maps: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)
    notes: list[str] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        check_labels(self.labels)
        if self.labels != sorted(self.labels):
            raise ValueError(f"labels must be sorted, as a folder gives them: {', '.join(sorted(self.labels))}")
        if bool(self.addresses) == bool(self.login):
            raise ValueError("expected either addresses, or login: what to download by hand and from where")
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"sha256 must be 64 hexadecimal digits in lower case, got {self.sha256!r}")
        for address in self.addresses:
            check_address(address, self.sha256)
        _check_folders(self.folders)
        for taxonomy, pairs in self.maps.items():
            if missing := sorted(set(self.labels) - set(pairs)):
                raise ValueError(f"maps.{taxonomy} says nothing of {', '.join(missing)}")
            if strange := sorted(set(pairs) - set(self.labels)):
                raise ValueError(f"maps.{taxonomy} maps {', '.join(strange)}, which the data set has not")

    def merge(self, taxonomy: str) -> dict[str, list[str]]:
        """The map to a taxonomy, as a recipe's `labels.merge` takes it: its label -> labels of the data.

        Raises:
            ConfigError: the card has no such map.
        """
        if taxonomy not in self.maps:
            have = ", ".join(self.maps) or "none"
            raise ConfigError(f"data card {self.name}: has no map to {taxonomy!r}; it has {have}")
        merged: dict[str, list[str]] = {}
        for label, target in self.maps[taxonomy].items():
            merged.setdefault(target, []).append(label)
        return merged


def read_card(given: str) -> DataCard:
    """Read a card by path, or by the name of a shipped one; its taxonomies are looked up and checked.

    Raises:
        ConfigError: missing, or a key that is unknown or has a wrong value; the message names it.
    """
    path = find(given, "training/data")
    if not path.exists() and path.suffix != ".toml":
        names = ", ".join(entry.stem for entry in shipped_cards())
        raise ConfigError(f"{given}: no such data card; give a .toml file, or a shipped one ({names})")
    card = read_toml(path, DataCard)
    _check_taxonomies(card, path, {entry.stem: read_toml(entry, Taxonomy) for entry in shipped_taxonomies()})
    return card


def check_address(address: str, sha256: str | None) -> None:
    """Raise ValueError unless it is https, or http of a file whose checksum is known (or from this machine)."""
    parts = urlsplit(address)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError(f"addresses must begin with https://, got {address!r}; a file is given with --archive")
    if parts.scheme == "http" and sha256 is None and parts.hostname not in _LOOPBACK:
        raise ValueError(f"{address!r} is not encrypted, so anyone on the way may change it; give its sha256")


def shipped_cards() -> list[Path]:
    """Every data card the project ships."""
    return sorted(shipped("training/data").glob("*.toml"))


def shipped_taxonomies() -> list[Path]:
    """Every taxonomy the project ships."""
    return sorted(shipped("training/taxonomies").glob("*.toml"))


def _check_taxonomies(card: DataCard, path: Path, taxonomies: Mapping[str, Taxonomy]) -> None:
    if card.taxonomy is not None:
        known = _taxonomy(path, "taxonomy", card.taxonomy, taxonomies)
        if set(card.labels) != set(known.labels):
            raise ConfigError(f"{path}: labels are not those of the taxonomy {known.name}: {', '.join(known.labels)}")
    for name, pairs in card.maps.items():
        known = _taxonomy(path, "maps", name, taxonomies)
        if strange := sorted(set(pairs.values()) - set(known.labels)):
            raise ConfigError(
                f"{path}: maps.{name}: {', '.join(strange)} is no label of {name}: {', '.join(known.labels)}"
            )
        if len(set(pairs.values())) < 2:
            raise ConfigError(f"{path}: maps.{name}: maps everything to one label, which nothing can be trained on")


def _taxonomy(path: Path, key: str, name: str, taxonomies: Mapping[str, Taxonomy]) -> Taxonomy:
    if name not in taxonomies:
        raise ConfigError(f"{path}: {key}: no taxonomy {name!r}; there are {', '.join(taxonomies)}")
    return taxonomies[name]


def _check_folders(folders: Mapping[str, str]) -> None:
    if not folders:
        raise ValueError("folders is empty: which folder of the archive holds the class folders?")
    for folder in (*folders, *folders.values()):
        parts = PurePosixPath(folder).parts
        if folder.startswith("/") or ".." in parts or "\\" in folder:
            raise ValueError(f"folders: {folder!r} must be a plain path below the archive or the data set")


def as_builtins(card: DataCard) -> dict[str, object]:
    """The card as plain values, with each map as a recipe takes it."""
    values: dict[str, object] = msgspec.to_builtins(card)
    return values | {"merge": {name: card.merge(name) for name in card.maps}}
