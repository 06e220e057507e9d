"""The bundle: the only thing that passes from host to device. A folder, or the same folder as one `.zip`."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path
from types import TracebackType

from waste_edge.bundle.arrays import Arrays
from waste_edge.bundle.manifest import MANIFEST_NAME, ArtifactName, FileEntry, Manifest
from waste_edge.bundle.signing import SIGNATURE_NAME, RequiredKey
from waste_edge.errors import BundleError, ConfigError
from waste_edge.files.atomic import is_full, sha256_of, write_atomically
from waste_edge.files.resources import BUNDLES
from waste_edge.files.strict import read_json
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

MAX_UNPACKED_BYTES = 1 << 30  # an edge model is megabytes; more than a gigabyte is an attack or a mistake
_EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's own zero: the same bundle gives the same bytes


class Bundle:
    """An opened bundle: manifest read, every file present and of the stated size.

    Contents are checked against their SHA-256 when they are used (`artifact_path`), or all at once
    (`verify_checksums`). A zip is unpacked to a temporary folder that lives as long as the bundle.
    """

    def __init__(self, folder: Path, manifest: Manifest, source: Path, unpacked: Path | None = None) -> None:
        self.folder = folder
        self.manifest = manifest
        self.source = source
        self._unpacked = unpacked

    def __enter__(self) -> Bundle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was unpacked; a folder bundle is left as it is."""
        if self._unpacked is not None:
            shutil.rmtree(self._unpacked, ignore_errors=True)

    def artifact_path(self, name: ArtifactName) -> Path:
        """The path of an artifact whose checksum has just been verified."""
        if name not in self.manifest.artifacts:
            have = ", ".join(self.manifest.artifacts)
            raise BundleError(f"{self.source}: has no artifact {name}; it has {have}")
        return self._checked(self.manifest.artifacts[name])

    def golden_path(self) -> Path:
        """The path of the golden inputs and outputs, checksum verified."""
        return self._checked(self.manifest.golden)

    def known_scorer(self) -> Scorer:
        """What tells how known a picture looks, for `calibration.min_known_score` to be held against.

        Raises:
            BundleError: the file with what it learnt is damaged, or belongs to another network.
        """
        calibration, learnt = self.manifest.calibration, None
        if calibration.known_parameters is not None:
            arrays = Arrays(self._checked(calibration.known_parameters), self.source)
            learnt = self._learnt(calibration.known_score, arrays)
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
            self._checked(entry)

    def _checked(self, entry: FileEntry) -> Path:
        path = self.folder / entry.file
        if sha256_of(path) != entry.sha256:
            raise BundleError(
                f"{self.source}: {entry.file} is damaged (its SHA-256 is not the manifest's); export or copy it again"
            )
        return path


def find_bundle(given: str) -> Path:
    """What a user meant by a bundle: a path, or the name of one that ships with the package."""
    path = Path(given)
    if path.exists() or len(path.parts) > 1 or not (BUNDLES / given / MANIFEST_NAME).is_file():
        return path
    return BUNDLES / given


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
        return _open_folder(path, path, None, required)
    if not path.is_file():
        names = ", ".join(sorted(entry.name for entry in BUNDLES.iterdir() if entry.is_dir()))
        raise BundleError(f"{path}: no such bundle; give a folder, a .zip, or a shipped one ({names})")
    unpacked = Path(tempfile.mkdtemp(prefix="waste-edge-bundle-"))
    try:
        _unpack(path, unpacked)
        return _open_folder(unpacked, path, unpacked, required)
    except BaseException:
        shutil.rmtree(unpacked, ignore_errors=True)
        raise


def _open_folder(folder: Path, source: Path, unpacked: Path | None, required: RequiredKey | None) -> Bundle:
    if required is not None and (folder / MANIFEST_NAME).is_file():
        required.check((folder / MANIFEST_NAME).read_bytes(), folder / SIGNATURE_NAME, source)
    bundle = Bundle(folder, _read_manifest(folder, source), source, unpacked)
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


def _read_manifest(folder: Path, source: Path) -> Manifest:
    if not (folder / MANIFEST_NAME).is_file():
        raise BundleError(f"{source}: no {MANIFEST_NAME}; this is not a bundle (waste-edge export makes one)")
    try:
        manifest = read_json(folder / MANIFEST_NAME, Manifest)
    except ConfigError as error:
        message = str(error).removeprefix(f"{folder / MANIFEST_NAME}: ")
        raise BundleError(f"{source}: {MANIFEST_NAME}: {message}") from error
    for entry in manifest.files():
        path = folder / entry.file
        if not path.is_file() or path.is_symlink():
            raise BundleError(f"{source}: {entry.file} is missing; export or copy the bundle again")
        if path.stat().st_size != entry.size_bytes:
            raise BundleError(
                f"{source}: {entry.file} has {path.stat().st_size} bytes, the manifest says {entry.size_bytes}; "
                "export or copy the bundle again"
            )
    return manifest


def _unpack(source: Path, folder: Path) -> None:
    """Unpack plain files only: no folders, links, absolute or climbing paths, no bombs."""
    try:
        with zipfile.ZipFile(source) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_UNPACKED_BYTES:
                raise BundleError(f"{source}: would unpack to more than 1 GiB; this is not a bundle of ours")
            for info in archive.infolist():
                name = info.filename
                is_link = (info.external_attr >> 16) & 0o170000 == 0o120000
                if info.is_dir() or is_link or "/" in name or "\\" in name or name.startswith("."):
                    raise BundleError(f"{source}: holds {name!r}; a bundle holds plain files side by side")
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise BundleError(f"{source}: {name!r} is not packed by deflate; pack the folder as a plain .zip")
                with archive.open(info) as packed, (folder / name).open("xb") as plain:
                    # The header's size is a claim; read no more than it, so that a lying one is caught.
                    shutil.copyfileobj(packed, plain)
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError, OSError) as error:
        if is_full(error):
            raise BundleError(
                f"{source}: no space to unpack it in {folder.parent}; free some, set TMPDIR to another place, or "
                "unpack it by hand and give the folder"
            ) from error
        raise BundleError(f"{source}: not a whole .zip bundle ({error}); export or copy it again") from error
