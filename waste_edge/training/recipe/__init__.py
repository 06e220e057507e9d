"""A recipe: everything that decides a training run but the photographs. Strict TOML, one file a recipe."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from waste_edge.dataset import LabelMap, SplitSpec
from waste_edge.errors import ConfigError
from waste_edge.files.limits import MAX_TOML_BYTES
from waste_edge.files.resources import find, shipped
from waste_edge.files.strict import Strict, check_values, parse_toml, read_text, readable
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.training.recipe.composites import CascadeSpec, CompositeSpec, ProbeSpec, TreeSpec, WeightedFusionSpec
from waste_edge.training.recipe.fitting import DistillSpec, FitSpec, QuantizeAwareSpec
from waste_edge.training.recipe.models import FusionSpec, ModelSpec, TextSpec
from waste_edge.training.recipe.views import (
    VIEW_RULES,
    AugmentSpec,
    BackgroundSpec,
    OutlierSpec,
    RenderedSpec,
    StockSpec,
)

__all__ = [
    "NETWORK",
    "AugmentSpec",
    "BackgroundSpec",
    "CascadeSpec",
    "CompositeSpec",
    "DistillSpec",
    "FitSpec",
    "FusionSpec",
    "ModelSpec",
    "OutlierSpec",
    "ProbeSpec",
    "QuantizeAwareSpec",
    "Recipe",
    "RecipeKind",
    "RenderedSpec",
    "StockSpec",
    "TextSpec",
    "TreeSpec",
    "WeightedFusionSpec",
    "composite_kinds",
    "read_recipe",
    "shipped_recipes",
]

RecipeKind = str  # `network`, or the key of the part that puts the model together from others
NETWORK = "network"


class Recipe(Strict, frozen=True):
    """One `training/*.toml`: a network for pictures, for text or for both, or a model put together from others."""

    name: str
    model: ModelSpec | None = None
    text: TextSpec | None = None
    fusion: FusionSpec | None = None
    probe: ProbeSpec | None = None
    weighted_fusion: WeightedFusionSpec | None = None
    cascade: CascadeSpec | None = None
    input: InputSpec | None = None
    fit: FitSpec | None = None
    split: SplitSpec = msgspec.field(default_factory=SplitSpec)
    labels: LabelMap = msgspec.field(default_factory=LabelMap)
    tree: TreeSpec | None = None
    augment: AugmentSpec = msgspec.field(default_factory=AugmentSpec)
    rendered: RenderedSpec = msgspec.field(default_factory=RenderedSpec)
    backgrounds: BackgroundSpec = msgspec.field(default_factory=BackgroundSpec)
    strangers: OutlierSpec = msgspec.field(default_factory=OutlierSpec)
    stock: StockSpec | None = None
    distill: DistillSpec | None = None
    quantize_aware: QuantizeAwareSpec | None = None

    def __post_init__(self) -> None:
        self._check_parts()
        self._check_training()
        self._check_views()
        self._check_stock()

    @property
    def kind(self) -> RecipeKind:
        """Kind of model: `network`, or the key of the part that puts it together from others."""
        return next((name for name in composite_kinds() if getattr(self, name)), NETWORK)

    @property
    def composite(self) -> CompositeSpec | None:
        """The part that puts its model together from others; None for a network."""
        part: CompositeSpec | None = None if self.kind == NETWORK else getattr(self, self.kind)
        return part

    @property
    def sees(self) -> InputSpec:
        """The pictures' preprocessing.

        Raises:
            ConfigError: the model reads text alone.
        """
        if self.input is None:
            raise ConfigError(f"recipe {self.name!r} has no [input] part: its model looks at no pictures")
        return self.input

    @property
    def trained(self) -> FitSpec:
        """Specification by which its network is trained.

        Raises:
            ConfigError: the model is put together from others.
        """
        if self.fit is None:
            raise ConfigError(f"recipe {self.name!r} has no [fit] part: its model is put together from others")
        return self.fit

    def _check_parts(self) -> None:
        whole = [name for name in composite_kinds() if getattr(self, name)]
        if len(whole) > 1 or (whole and (self.model or self.text or self.fusion)):
            kinds = ", ".join(f"[{name}]" for name in composite_kinds())
            raise ValueError(f"a recipe has [model] or [text] or both, or one of {kinds}")
        if self.composite is not None:
            for key, why in self.composite.needs.items():
                if getattr(self, key) is None:
                    raise ValueError(f"missing key `{key}`: {why}")
            return
        if not self.model and not self.text:
            raise ValueError("missing key `model`")
        if self.model and self.input is None:
            raise ValueError("missing key `input`: the network looks at pictures")
        if self.input and not self.model:
            raise ValueError("[input] is for networks that look at pictures; add [model] or remove it")
        if bool(self.fusion) != bool(self.model and self.text):
            raise ValueError("[fusion] goes with [model] and [text], and both of them need it")
        if self.fit is None:
            raise ValueError("missing key `fit`")

    def _check_training(self) -> None:
        qat, fit = self.quantize_aware, self.fit
        if qat and (fit is None or max(qat.freeze_batch_norm_after, qat.freeze_ranges_after) >= fit.epochs):
            raise ValueError(
                "quantize_aware.freeze_batch_norm_after and freeze_ranges_after must be less than fit.epochs "
                f"({fit.epochs if fit else 0}): the last steps train the network as it will be deployed"
            )
        if qat and fit and (fit.ema_decay or fit.wise_ft < 1.0):
            raise ValueError(
                "fit.ema_decay and wise_ft exclude [quantize_aware]: the average of two networks was not rounded"
            )
        if qat and fit and fit.linear_probe_views:
            raise ValueError(
                "fit.linear_probe_views must be 0 with [quantize_aware], which fine-tunes a run that has its head"
            )
        if fit and fit.linear_probe_views and (self.stock is None or (self.model and self.model.hidden)):
            raise ValueError("fit.linear_probe_views needs [stock], and a head of one layer (no model.hidden)")

    def _check_stock(self) -> None:
        if self.stock is None:
            return
        if self.text or self.input is None:
            raise ValueError("[stock] is for networks that look at pictures alone; remove it with [text]")
        others = {
            "rendered.views_per_label": self.rendered.views_per_label,
            "backgrounds.share": self.backgrounds.share,
            "strangers.views": self.strangers.views,
        }
        if given := [key for key, value in others.items() if value]:
            raise ValueError(f"{given[0]} must be 0 with [stock], which makes its own views")
        if not self.augment.enabled:
            raise ValueError("augment.enabled must be true with [stock]: its views are larger than the input")
        if self.distill and self.distill.method in ("logit_standardization", "dist"):
            raise ValueError(
                f"[stock] has views without a label, and distill.method = {self.distill.method!r} no notion of a "
                "teacher without an opinion; use hinton or features"
            )
        if self.fit and self.fit.class_weights:
            raise ValueError("fit.class_weights must be false with [stock]; stock.balance evens the labels out")

    def _check_views(self) -> None:
        for is_wrong, message in VIEW_RULES:
            if is_wrong(self):
                raise ValueError(message.format(recipe=self))


@cache
def composite_kinds() -> tuple[RecipeKind, ...]:
    """The keys of the parts that put a model together from others: those of `Recipe` that are a `CompositeSpec`."""
    return tuple(
        name
        for name, hint in get_type_hints(Recipe).items()
        if any(isinstance(kind, type) and issubclass(kind, CompositeSpec) for kind in get_args(hint))
    )


def read_recipe(given: str, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe by path, or by the name of a shipped one.

    Args:
        given: path or name.
        changes: `key=value` each, e.g. `fit.epochs=3`: what the recipe is to say instead.

    Raises:
        ConfigError: missing, or a key that is unknown or has a wrong value; the message names it.
    """
    path = find(given, "training")
    if not path.exists() and path.suffix != ".toml":
        names = ", ".join(sorted(entry.stem for entry in shipped_recipes()))
        raise ConfigError(f"{given}: no such recipe; give a .toml file, or a shipped one ({names})")
    text = read_text(path, MAX_TOML_BYTES)
    try:
        raw = parse_toml(text)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    for change in changes:
        _apply(raw, change)
    try:
        check_values(raw)
        return msgspec.convert(raw, Recipe)
    except (msgspec.ValidationError, ValueError) as error:
        where = f"{path} with --set {' '.join(changes)}" if changes else str(path)
        raise ConfigError(f"{where}: {readable(error, Recipe)}") from error


def shipped_recipes() -> list[Path]:
    """Every recipe the project ships."""
    return sorted(shipped("training").glob("*.toml"))


def _apply(raw: dict[str, Any], change: str) -> None:
    """Set one dotted key of the raw recipe; the value is TOML, or a plain word."""
    key, equals, value = change.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise ConfigError(f"--set {change}: expected key=value, e.g. fit.epochs=3")
    table: Any = raw
    for name in names[:-1]:
        table = table.setdefault(name, {}) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        raise ConfigError(f"--set {change}: {'.'.join(names[:-1])} is not a part of a recipe")
    try:
        table[names[-1]] = tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        table[names[-1]] = value.strip()
