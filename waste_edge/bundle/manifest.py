"""`manifest.json`: everything a device must know about a model, checked strictly.

Unknown keys, wrong types and impossible values are errors that name the key; nothing has two meanings.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from waste_edge.dataset import LabelMap, SplitSpec
from waste_edge.files.limits import (
    MAX_ARRAYS_BYTES,
    MAX_BUNDLE_BYTES,
    MAX_EXTRA_FILES,
    MAX_FEATURES,
    MAX_GOLDEN_PICTURES,
    MAX_NETWORK_BYTES,
)
from waste_edge.files.strict import Strict
from waste_edge.heads import Assessment
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.metrics.classification import Comparison, Scores
from waste_edge.rejection import SCORES_OF_FEATURES, KnownScore
from waste_edge.taxonomy import check_labels, check_tree

SCHEMA: Literal[1] = 1
MANIFEST_NAME = "manifest.json"
MIN_TEMPERATURE, MAX_TEMPERATURE = 1e-3, 1e3  # beyond them softmax says 0 and 1, or nothing, whatever the logits

ArtifactName = Literal["onnx-fp32", "onnx-int8", "tflite-fp32", "tflite-int8"]
Reference = Literal["float", "rounded"]
ARTIFACT_NAMES: tuple[ArtifactName, ...] = ("onnx-fp32", "onnx-int8", "tflite-fp32", "tflite-int8")


class FileEntry(Strict, frozen=True):
    """A file of the bundle: its name beside the manifest, size and SHA-256."""

    file: str
    size_bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if not self.file or "/" in self.file or "\\" in self.file or "\0" in self.file or self.file.startswith("."):
            raise ValueError(f"file must be a plain name beside the manifest, got {self.file!r}")
        if not 0 <= self.size_bytes <= MAX_BUNDLE_BYTES:
            raise ValueError(f"size_bytes must be 0 to {MAX_BUNDLE_BYTES}, got {self.size_bytes}")

    def check_size(self, most_bytes: int) -> None:
        """Raise ValueError if a file that is read whole is larger than that."""
        if self.size_bytes > most_bytes:
            raise ValueError(f"size_bytes of {self.file} must be at most {most_bytes}, got {self.size_bytes}")


class Artifact(FileEntry, frozen=True):
    """One exported network.

    Attributes:
        macs: multiply-accumulates of one picture.
        scheme: how it was quantized, e.g. `static_wi8_ai8`; `float32` if it was not.
    """

    macs: int
    scheme: str

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_size(MAX_NETWORK_BYTES)


class Tolerance(Strict, frozen=True):
    """Largest absolute differences from the golden outputs that are allowed on another machine."""

    logits: float
    features: float


class Golden(FileEntry, frozen=True):
    """Inputs the project made itself, and what each artifact answered where it was exported.

    The file is a NumPy `.npz` without pickle: `pixels` uint8 (N, H, W, 3), and for each artifact
    `NAME.logits` float32 (N, C) and `NAME.features` float32 (N, F).
    """

    pictures: int
    tolerance: dict[ArtifactName, Tolerance]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pictures < 1:
            raise ValueError(f"golden.pictures must be at least 1, got {self.pictures}")
        if self.pictures > MAX_GOLDEN_PICTURES:
            raise ValueError(f"golden.pictures must be at most {MAX_GOLDEN_PICTURES}, got {self.pictures}")
        self.check_size(MAX_ARRAYS_BYTES)


class DomainCalibration(Strict, frozen=True):
    """A bundle's confidence on the known items of one source.

    Attributes:
        use: what it was looked at for: to fit the temperature, or to choose min_confidence by.
        ece: expected calibration error at the bundle's temperature, 15 equal bins.
        kept_out: share called unknown by the bundle's thresholds.
        wrong: share of what is left that is named wrongly; None if nothing is left.
    """

    source: str
    use: Literal["temperature", "min_confidence"]
    pictures: int
    accuracy: float
    ece: float
    kept_out: float
    wrong: float | None


class Calibration(Strict, frozen=True):
    """From logits to a trustworthy answer: fitted on validation pictures, never on training ones.

    Attributes:
        temperature: logits are divided by it before softmax.
        min_confidence: below it the answer is "unknown".
        min_known_score: a known score below it means "unknown".
        fitted_on: which pictures, in words.
        known_score: how known a picture looks; see `rejection`. Bundles made before there was a choice have none.
        known_parameters: the file of what the score learnt in feature space, a NumPy `.npz` without pickle that holds
            float32, or int8 with float32 scales beside it; None for a score of logits. `linear`, `linear_unit`:
            `weights` (F,) and `bias` (). `cosine`: `units` (P, F). `mahalanobis`: `means` (K, F), `directions` (F, R),
            `variances` (R,), `rest` (). `nearest`, `nearest_exposed`: `centre` (F,), `directions` (F, R), `places`
            (P, R). `vim`: `origin` (F,), `directions` (F, R), `weight` ().
        sorted_wrong: share of what is sorted that may be wrong elsewhere, by which min_confidence was chosen; None if
            it was not chosen so.
        domains: the same on each source that was at hand, the model's own validation pictures first; empty if there
            was none.
    """

    temperature: float
    min_confidence: float
    min_known_score: float
    fitted_on: str
    known_score: KnownScore = "max_logit"
    known_parameters: FileEntry | None = None
    sorted_wrong: float | None = None
    domains: list[DomainCalibration] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        if not MIN_TEMPERATURE <= self.temperature <= MAX_TEMPERATURE:
            raise ValueError(
                f"temperature must be {MIN_TEMPERATURE:g} to {MAX_TEMPERATURE:g}, got {self.temperature:g}"
            )
        if self.known_parameters is not None:
            self.known_parameters.check_size(MAX_ARRAYS_BYTES)
        if not 0 <= self.min_confidence < 1:
            raise ValueError(f"min_confidence must be 0 to 1, got {self.min_confidence}")
        if not math.isfinite(self.min_known_score):
            raise ValueError(f"min_known_score must be a finite number, got {self.min_known_score}")
        if (self.known_score in SCORES_OF_FEATURES) != (self.known_parameters is not None):
            expected = "none" if self.known_parameters is not None else "a file"
            raise ValueError(f"known_score {self.known_score} has {expected} for known_parameters; export again")


class ArtifactScores(Strict, frozen=True):
    """One artifact on the validation pictures: its scores, and how it agrees with the torch network.

    Attributes:
        agreement: share of pictures with the same best label.
        reference: which torch network: in `float`, or `rounded` to INT8 as quantization-aware training left it.
    """

    scores: Scores
    agreement: float
    max_logit_difference: float
    mean_logit_difference: float
    reference: Reference = "float"  # bundles made before there was a choice


class StationHead(FileEntry, frozen=True):
    """Head that a station learnt from its own items, in the place of the network's own; see `heads`.

    The file is a NumPy `.npz` without pickle, float32: `carry` (L, C), `weights` (F, C), `bias` (C,). With it the
    manifest's `labels`, C of them, are the head's, and a network gives L logits. With `kept_items`, M of them, it also
    holds what the head answered there: `items.logits` float32 (M, L) and `items.features` float16 (M, F) of the
    network, `items.outputs` float32 (M, C) of the head; and `items.fitted` uint64 (N,), `heads.fingerprints` of the
    looks that it was fitted to.

    Attributes:
        network_labels: the network's own labels, which the head's begin with.
        site: the station's name.
        created: when it was fitted, by the station's clock.
        parent: name and version of the bundle whose networks these are.
        parent_digest: SHA-256 of its manifest.
        items: how many the station was shown, by label.
        shots: pictures of them.
        strangers: pictures of what is none of the labels.
        assessment: what it was worth on items left out.
        kept_items: how many of them the file keeps the answers to, to be replayed; left out by earlier versions.
    """

    network_labels: list[str]
    site: str
    created: str
    parent: str
    parent_digest: str
    items: dict[str, int]
    shots: int
    strangers: int
    assessment: Assessment
    kept_items: int | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_size(MAX_ARRAYS_BYTES)
        check_labels(self.network_labels)
        if self.kept_items is not msgspec.UNSET and self.kept_items < 1:
            raise ValueError(f"head.kept_items must be at least 1, got {self.kept_items}")


class Metrics(Strict, frozen=True):
    """Measured while exporting; `protocol` says on what.

    Attributes:
        artifacts: each one's scores.
        quantization: each INT8 artifact against the same engine's FP32 one, on the same pictures.
    """

    protocol: str
    artifacts: dict[ArtifactName, ArtifactScores]
    quantization: dict[ArtifactName, Comparison] = msgspec.field(default_factory=dict)

    def reference_in_words(self) -> str:
        """Name the torch network that the artifacts are compared with, in a sentence."""
        rounded = [name for name, one in self.artifacts.items() if one.reference == "rounded"]
        if not rounded:
            return "The torch network is the one in float."
        return (
            f"For {' and '.join(rounded)} the torch network is the one that was trained, under INT8 rounding; "
            "for the others the same one in float."
        )


class Provenance(Strict, frozen=True):
    """Origin of a model, enough to train it again.

    Attributes:
        domains: pictures of each source of a domains file that taught it beside `data`.
        left_out: sources that were kept away from its training on purpose.
    """

    recipe: str
    export_recipe: str
    data: str
    data_fingerprint: str
    split: SplitSpec
    rendered_pictures: int
    initial_weights: str
    initial_weights_sha256: str
    teacher: str
    calibration_pictures: int
    calibration_fingerprint: str
    libraries: dict[str, str]
    commit: str
    label_map: LabelMap = msgspec.field(default_factory=LabelMap)
    domains: dict[str, int] = msgspec.field(default_factory=dict)
    left_out: list[str] = msgspec.field(default_factory=list)


class Manifest(Strict, frozen=True):
    """The contract between host and device; see docs/bundle.md for the words on each key.

    `head` is left out where there is none, so that bundles without one stay readable by older versions.
    """

    schema: Literal[1]
    name: str
    version: str
    created: str
    licence: str
    labels: list[str]
    input: InputSpec
    features: int
    parameters: int
    artifacts: dict[ArtifactName, Artifact]
    calibration: Calibration
    golden: Golden
    metrics: Metrics
    provenance: Provenance
    tree: dict[str, str] = msgspec.field(default_factory=dict)
    extra_files: list[FileEntry] = msgspec.field(default_factory=list)
    head: StationHead | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        check_labels(self.labels)
        if self.head and self.labels[: len(self.head.network_labels)] != self.head.network_labels:
            raise ValueError("labels must begin with head.network_labels")
        check_tree(self.tree, self.labels)
        if not 1 <= self.features <= MAX_FEATURES:
            raise ValueError(f"features must be 1 to {MAX_FEATURES}, got {self.features}")
        if len(self.extra_files) > MAX_EXTRA_FILES:
            raise ValueError(f"extra_files must be at most {MAX_EXTRA_FILES}, got {len(self.extra_files)}")
        if not self.artifacts:
            raise ValueError("artifacts must hold at least one of " + ", ".join(ARTIFACT_NAMES))
        if set(self.golden.tolerance) != set(self.artifacts):
            raise ValueError("golden.tolerance must name exactly the artifacts")
        if (total := sum(entry.size_bytes for entry in self.files())) > MAX_BUNDLE_BYTES:
            raise ValueError(f"the files' size_bytes must be at most {MAX_BUNDLE_BYTES} together, got {total}")

    def files(self) -> list[FileEntry]:
        """Every file the manifest vouches for."""
        learnt = self.calibration.known_parameters
        own = [*([learnt] if learnt else []), *([self.head] if self.head else [])]
        return [*self.artifacts.values(), self.golden, *own, *self.extra_files]

    @property
    def network_labels(self) -> list[str]:
        """The labels that a network of it gives logits for: fewer than `labels` where a station's head added some."""
        return self.head.network_labels if self.head else self.labels
