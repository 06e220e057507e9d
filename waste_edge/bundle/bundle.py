"""The bundle: the only thing that passes from host to device. A folder, or the same folder as one `.zip`."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import msgspec
import numpy as np

from waste_edge.bundle.arrays import Arrays
from waste_edge.bundle.files import BundleFiles, FolderFiles, NetworkFile, ZipFiles
from waste_edge.bundle.manifest import MANIFEST_NAME, ArtifactName, FileEntry, Manifest
from waste_edge.bundle.signing import SIGNATURE_BYTES, SIGNATURE_NAME, RequiredKey
from waste_edge.errors import BundleError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.limits import MAX_MANIFEST_BYTES
from waste_edge.files.resources import BUNDLES, is_shipped_bundle
from waste_edge.files.strict import readable
from waste_edge.heads import Head, HeadItems
from waste_edge.rejection import (
    Direction,
    FeatureSpace,
    KnownScore,
    Learnt,
    Neighbours,
    Plane,
    Prototypes,
    Scorer,
)

HEAD_ITEMS = "items."  # before the names of the arrays of `HeadItems` in the head's file
_EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's own zero: the same bundle gives the same bytes


class Bundle:
    """An opened bundle: manifest read, every file present and of the stated size.

    A file is read where it lies when it is used, once: the bytes whose SHA-256 was right are those that are handed on.
    `verify_checksums` looks at all of them.

    Attributes:
        manifest: decoded from the bytes whose digest, and signature if one was required, was taken.
        source: the folder or `.zip` as it was given, for messages.
        digest: hexadecimal SHA-256 of the manifest, which vouches for every other file.
        when_loaded: is called when one of its networks was loaded and did well.
    """

    def __init__(self, files: BundleFiles, manifest: Manifest, source: Path, digest: str) -> None:
        self._files = files
        self.manifest = manifest
        self.source = source
        self.digest = digest
        self.when_loaded: Callable[[], None] = lambda: None

    def __enter__(self) -> Bundle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what is held open; nothing was written that had to be removed."""
        self._files.close()

    def artifact(self, name: ArtifactName) -> NetworkFile:
        """A network whose checksum has just been verified, as bytes to be loaded.

        Raises:
            BundleError: the bundle has no such artifact, or the file is damaged.
        """
        if name not in self.manifest.artifacts:
            have = ", ".join(self.manifest.artifacts)
            raise BundleError(f"{self.source}: has no artifact {name}; it has {have}")
        entry = self.manifest.artifacts[name]
        return NetworkFile(self.source / entry.file, self.read(entry), self.head())

    def head(self) -> Head | None:
        """The head that stands in the place of the networks' own; None where there is none.

        Raises:
            BundleError: its file is damaged, or belongs to another network.
        """
        entry = self.manifest.head
        if not entry:
            return None
        arrays, labels = self._arrays(entry), len(self.manifest.labels)
        return Head(
            carry=arrays.numbers("carry", len(entry.network_labels), labels),
            weights=arrays.numbers("weights", self.manifest.features, labels),
            bias=arrays.numbers("bias", labels),
        )

    def head_items(self) -> HeadItems | None:
        """Read the head's answers to its station's own items; None without a head, and of one that keeps none.

        Raises:
            BundleError: its file is damaged, or belongs to another network.
        """
        entry = self.manifest.head
        if not entry or not entry.kept_items:
            return None
        arrays, count = self._arrays(entry), entry.kept_items
        features = arrays.take(f"{HEAD_ITEMS}features", (count, self.manifest.features), np.float16)
        return HeadItems(
            logits=arrays.numbers(f"{HEAD_ITEMS}logits", count, len(entry.network_labels)).astype(np.float32),
            features=features.astype(np.float32),
            outputs=arrays.numbers(f"{HEAD_ITEMS}outputs", count, len(self.manifest.labels)).astype(np.float32),
            fitted=np.asarray(arrays.take(f"{HEAD_ITEMS}fitted", (None,), np.uint64), np.uint64),
        )

    def golden(self) -> Arrays:
        """The golden inputs and outputs, checksum verified; the layout is in `manifest.Golden`."""
        return self._arrays(self.manifest.golden)

    def known_scorer(self) -> Scorer:
        """Build the scorer whose values `calibration.min_known_score` is compared with.

        Raises:
            BundleError: the file with what it learnt is damaged, or belongs to another network.
        """
        calibration, learnt = self.manifest.calibration, None
        if calibration.known_parameters is not None:
            learnt = self._learnt(calibration.known_score, self._arrays(calibration.known_parameters))
        return Scorer(calibration.known_score, calibration.temperature, learnt)

    def _learnt(self, score: KnownScore, arrays: Arrays) -> Learnt:
        features = self.manifest.features
        if score in ("linear", "linear_unit"):
            return Direction(arrays.numbers("weights", features), float(arrays.numbers("bias")))
        if score == "cosine":
            return Prototypes(arrays.numbers("units", None, features))
        if score in ("nearest", "nearest_exposed"):
            places = arrays.numbers("places", None, None)
            directions = arrays.numbers("directions", features, places.shape[1])
            return Neighbours(arrays.numbers("centre", features), directions, places)
        if score == "vim":
            directions = arrays.numbers("directions", features, None)
            return Plane(arrays.numbers("origin", features), directions, float(arrays.numbers("weight", positive=True)))
        variances = arrays.numbers("variances", None, positive=True)
        return FeatureSpace(
            means=arrays.numbers("means", None, features),
            directions=arrays.numbers("directions", features, len(variances)),
            variances=variances,
            rest=float(arrays.numbers("rest", positive=True)),
        )

    def verify_checksums(self) -> None:
        """Raise BundleError naming the first file whose content is not what the manifest vouches for."""
        for entry in self.manifest.files():
            self._check_digest(entry, self._files.sha256(entry.file, entry.size_bytes))

    def read(self, entry: FileEntry) -> bytes:
        """A file's content, which is what the manifest vouches for.

        Raises:
            BundleError: it is not, or cannot be read.
        """
        content = self._files.read(entry.file, entry.size_bytes)
        self._check_digest(entry, hashlib.sha256(content).hexdigest())
        return content

    def copy_to(self, folder: Path) -> None:
        """Write what this bundle is into a folder: the files that the manifest vouches for, its signature and itself.

        Each file's content is checked and then flushed to the disk; the manifest is the last. Whatever else lay beside
        them is left behind.

        Args:
            folder: an empty one.

        Raises:
            BundleError: a file is damaged, or the manifest was changed since the bundle was opened.
            UserError: the folder cannot be written.
        """
        for entry in self.manifest.files():
            write_atomically(folder / entry.file, self.read(entry))
        if self._files.size(SIGNATURE_NAME) is not None:
            write_atomically(folder / SIGNATURE_NAME, self._files.read(SIGNATURE_NAME, SIGNATURE_BYTES))
        content = self._files.read(MANIFEST_NAME, MAX_MANIFEST_BYTES)
        if hashlib.sha256(content).hexdigest() != self.digest:
            raise BundleError(f"{self.source}: {MANIFEST_NAME} was changed while it was copied; try again")
        write_atomically(folder / MANIFEST_NAME, content)

    def _check_digest(self, entry: FileEntry, digest: str) -> None:
        if digest != entry.sha256:
            raise BundleError(
                f"{self.source}: {entry.file} is damaged (its SHA-256 is not the manifest's); export or copy it again"
            )

    def _arrays(self, entry: FileEntry) -> Arrays:
        return Arrays(self.read(entry), f"{self.source}: {entry.file}")


def find_bundle(given: str) -> Path:
    """Resolve the name of a shipped bundle, or a path, to a bundle's path.

    A bare word that is a shipped bundle's name always means that one: a path to a folder of the same name has a
    slash (`./small`). What lies in the working directory must not decide which network runs.
    """
    return BUNDLES / given if is_shipped_bundle(given) else Path(given)


def shipped_digests() -> set[str]:
    """The digests of the bundles that came with the program."""
    return {digest for folder in BUNDLES.iterdir() if (digest := digest_of(folder))}


def digest_of(folder: Path) -> str:
    """The digest of a bundle's folder; empty if there is no manifest in it."""
    path = folder / MANIFEST_NAME
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def open_bundle(path: Path, required: RequiredKey | None = None) -> Bundle:
    """Open a folder or a `.zip`; see `Bundle` for what has been checked then.

    Args:
        path: the folder or the `.zip`.
        required: open nothing but what this key signed. The signature is checked before the manifest is
            interpreted, and every file's SHA-256 before the bundle is handed out.

    Raises:
        BundleError: missing, truncated, unsafe, not a bundle, or not signed as required; the message names the
            file or the key.
    """
    if path.is_dir():
        return _open(FolderFiles(path), path, required)
    if not path.is_file():
        names = ", ".join(sorted(entry.name for entry in BUNDLES.iterdir() if entry.is_dir()))
        raise BundleError(f"{path}: no such bundle; give a folder, a .zip, or a shipped one ({names})")
    files = ZipFiles(path)
    try:
        return _open(files, path, required)
    except BaseException:
        files.close()
        raise


def _open(files: BundleFiles, source: Path, required: RequiredKey | None) -> Bundle:
    if files.size(MANIFEST_NAME) is None:
        raise BundleError(f"{source}: no {MANIFEST_NAME}; this is not a bundle (waste-edge export makes one)")
    content = files.read(MANIFEST_NAME, MAX_MANIFEST_BYTES)
    if len(content) > MAX_MANIFEST_BYTES:
        raise BundleError(
            f"{source}: {MANIFEST_NAME} is larger than {MAX_MANIFEST_BYTES >> 20} MiB; this is not a bundle of ours"
        )
    if required is not None:
        signed = files.size(SIGNATURE_NAME) is not None
        required.check(content, files.read(SIGNATURE_NAME, SIGNATURE_BYTES) if signed else None, source)
    manifest = _decoded(content, source)
    _check_sizes(files, manifest, source)
    bundle = Bundle(files, manifest, source, hashlib.sha256(content).hexdigest())
    if required is not None:
        bundle.verify_checksums()
    return bundle


def pack(folder: Path, target: Path) -> None:
    """Pack a bundle folder as one `.zip`, byte for byte the same each time."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            info = zipfile.ZipInfo(path.name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, path.read_bytes())
    write_atomically(target, packed.getvalue())


def _decoded(content: bytes, source: Path) -> Manifest:
    try:
        return msgspec.json.decode(content, type=Manifest)
    except RecursionError as error:
        raise BundleError(f"{source}: {MANIFEST_NAME}: nested too deeply; this is not a bundle of ours") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise BundleError(f"{source}: {MANIFEST_NAME}: {readable(error, Manifest)}") from error


def _check_sizes(files: BundleFiles, manifest: Manifest, source: Path) -> None:
    for entry in manifest.files():
        size = files.size(entry.file)
        if size is None:
            raise BundleError(f"{source}: {entry.file} is missing; export or copy the bundle again")
        if size != entry.size_bytes:
            raise BundleError(
                f"{source}: {entry.file} has {size} bytes, the manifest says {entry.size_bytes}; "
                "export or copy the bundle again"
            )
