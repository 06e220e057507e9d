"""The parts of a recipe that say what is done to training pictures, and which are added to them.

Its rules are a table of conditions and messages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from waste_edge.files.strict import Strict

if TYPE_CHECKING:
    from waste_edge.training.recipe import Recipe

# Each is wrong where its condition holds; the first that does is the one that is said.
VIEW_RULES: tuple[tuple[Callable[[Recipe], object], str], ...] = (
    (
        lambda recipe: recipe.text and (recipe.augment.mixup or recipe.augment.cutmix),
        "augment.mixup and augment.cutmix are for pictures alone: texts cannot be mixed",
    ),
    (
        lambda recipe: recipe.text and (recipe.rendered.views_per_label or recipe.strangers.views),
        "rendered.views_per_label and strangers.views must be 0 with [text]: they have no texts",
    ),
    (
        lambda recipe: recipe.backgrounds.share and not (recipe.input and recipe.augment.enabled),
        "backgrounds.share must be 0 without [input] or with augment.enabled = false, got {recipe.backgrounds.share}: "
        "pictures are then not looked at, or shown as they are",
    ),
    (
        lambda recipe: recipe.text and recipe.fit and recipe.fit.balance_weights,
        "fit.balance_weights is for networks that look at pictures alone; remove it with [text]",
    ),
    (
        lambda recipe: not recipe.input and (recipe.augment.view_sets or recipe.augment.bad_camera),
        "augment.view_sets and augment.bad_camera must be 0 without [input]: nothing is looked at",
    ),
    (
        lambda recipe: (
            recipe.strangers.views and recipe.distill and recipe.distill.method in ("logit_standardization", "dist")
        ),
        "strangers.views must be 0 with distill.method = {recipe.distill.method!r}, which has no notion of a teacher "
        "without an opinion; use hinton or features",
    ),
    (
        lambda recipe: recipe.augment.view_sets and not recipe.augment.enabled,
        "augment.view_sets must be 0 with augment.enabled = false: all views are then alike",
    ),
    (
        lambda recipe: recipe.augment.view_sets and recipe.fit and recipe.fit.workers > 1,
        "fit.workers must be 0 or 1 with augment.view_sets, got {recipe.fit.workers}: each would make all views",
    ),
    (
        lambda recipe: recipe.strangers.views and recipe.fit and recipe.fit.class_weights,
        "fit.class_weights and strangers.views exclude each other: what has no label is taught with equal shares of "
        "all, and weights would make them unequal",
    ),
)


class AugmentSpec(Strict, frozen=True):
    """Augmentation of training pictures. The student and its teacher see the same augmented view.

    Attributes:
        enabled: false shows training pictures exactly as a device would see them.
        min_area: smallest share of the picture that a random crop keeps.
        aspect: widest change of shape of the crop, e.g. 0.75 for 3:4 to 4:3; 1 keeps the input's shape.
        rotation_deg: largest turn either way.
        translation: largest shift either way, as a share of the width and height.
        colour_jitter: brightness, contrast and saturation vary by this share; hue by a tenth of it.
        erase_probability: chance that a random rectangle is painted over.
        bad_camera: chance of faults of the camera or the light: blur, noise, dark, glare, wrong white, JPEG.
        mixup: alpha of mixup (Zhang et al. 2018); 0: none. With `cutmix` too, each batch gets one of them.
        cutmix: alpha of CutMix (Yun et al. 2019); 0: none.
        view_sets: make so many views of each picture, once, and show them in turn, epoch by epoch, with what a teacher
            said of each; 0: new ones every epoch. Where views and a large teacher take longer than a small student
            does. All are held in memory: 3 * width_px * height_px bytes each.
    """

    enabled: bool = True
    min_area: float = 0.4
    aspect: float = 0.75
    rotation_deg: float = 0.0
    translation: float = 0.0
    flip: bool = True
    colour_jitter: float = 0.3
    erase_probability: float = 0.0
    bad_camera: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    view_sets: int = 0

    def __post_init__(self) -> None:
        if not 0.0 < self.min_area <= 1.0 or not 0.0 <= self.erase_probability <= 1.0:
            raise ValueError("augment.min_area and augment.erase_probability must be 0 to 1")
        if not 0.0 <= self.bad_camera <= 1.0:
            raise ValueError(f"augment.bad_camera must be 0 to 1, got {self.bad_camera}")
        if not 0.0 < self.aspect <= 1.0 or not 0.0 <= self.translation < 1.0:
            raise ValueError("augment.aspect must be above 0 and at most 1, augment.translation 0 to 1")
        if not 0.0 <= self.colour_jitter < 1.0 or not 0.0 <= self.rotation_deg <= 180.0:
            raise ValueError("augment.colour_jitter must be 0 to 1, augment.rotation_deg 0 to 180")
        if self.mixup < 0 or self.cutmix < 0:
            raise ValueError("augment.mixup and augment.cutmix must not be negative")
        if self.view_sets < 0:
            raise ValueError(f"augment.view_sets must be 0 or more, got {self.view_sets}")


class RenderedSpec(Strict, frozen=True):
    """Views the project renders itself, added to the training part and to nothing else."""

    views_per_label: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.views_per_label <= 10_000:
            raise ValueError(f"rendered.views_per_label must be 0 to 10000, got {self.views_per_label}")


class BackgroundSpec(Strict, frozen=True):
    """Items of the photographs on other backgrounds; for photographs on a plain board, see `rendering.cutouts`.

    Attributes:
        share: of the photographs' views that get another background.
        surfaces: how many different ones are painted for it.
    """

    share: float = 0.0
    surfaces: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise ValueError(f"backgrounds.share must be 0 to 1, got {self.share}")
        if not 1 <= self.surfaces <= 10_000:
            raise ValueError(f"backgrounds.surfaces must be 1 to 10000, got {self.surfaces}")


class OutlierSpec(Strict, frozen=True):
    """Views of what belongs to no label, of which the network is taught to be unsure.

    Outlier exposure: Hendrycks, Mazeika and Dietterich 2019 (arXiv:1812.04606), with cross entropy to equal shares.

    Attributes:
        views: how many are rendered and added to the training part.
    """

    views: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.views <= 10_000:
            raise ValueError(f"strangers.views must be 0 to 10000, got {self.views}")


class StockSpec(Strict, frozen=True):
    """Views made once, before training, and kept in one file; then cropped, turned and coloured in whole batches.

    They are made by all cores and changed where the network is trained, so that a GPU is not kept waiting. One stock
    serves every recipe with the same [stock] and split. Instead of `augment`'s chances one by one, each batch gets
    those of `augment` that a batch can have; `backgrounds`, `rendered` and `strangers` are not looked at.

    Attributes:
        side_px: of a kept view, a square.
        whole: views of each photograph as it is: its largest square, at a random place along the longer side.
        station: views of each photograph's item as a station sees it: cut out, laid on a ground, found by the
            difference to the empty ground and cropped (`waste_edge.item`), mistakes included. Photographs whose item
            cannot be cut out credibly have `whole` views in their place.
        strange: views of each picture of a thing without a label: its whole, or as a station sees it if it can be cut
            out.
        drawn: rendered views of things without a label.
        margin: least and largest margin of the item's crop, as a share of its longer side.
        plain: share of the crops whose surroundings are painted plain.
        grounds: label, among those without a meaning to the model, of pictures that also serve as grounds to lay items
            on; empty: grounds are rendered only.
        real_grounds: share of the items that are laid on such a picture.
        surfaces: how many grounds are rendered.
        per_epoch: how many views an epoch shows; 0: each picture once, in one of its views.
        strange_share: of an epoch's views that have no label.
        balance: 0 shows a label as often as it has pictures, 1 all labels alike.
    """

    side_px: int = 256
    whole: int = 2
    station: int = 4
    strange: int = 2
    drawn: int = 300
    margin: tuple[float, float] = (0.05, 0.3)
    plain: float = 0.3
    grounds: str = "ground"
    real_grounds: float = 0.5
    surfaces: int = 300
    per_epoch: int = 0
    strange_share: float = 0.2
    balance: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 32 <= self.side_px <= 1024:
            raise ValueError(f"stock.side_px must be 32 to 1024, got {self.side_px}")
        if self.whole < 1 or min(self.station, self.strange, self.drawn, self.per_epoch) < 0 or self.surfaces < 1:
            raise ValueError(
                "stock.whole and stock.surfaces must be at least 1, station, strange, drawn and per_epoch not negative"
            )
        if not 0.0 <= self.margin[0] <= self.margin[1] <= 1.0:
            raise ValueError(f"stock.margin must be two shares from 0 to 1, the least first, got {self.margin}")
        for key in ("plain", "real_grounds", "balance"):
            if not 0.0 <= getattr(self, key) <= 1.0:
                raise ValueError(f"stock.{key} must be 0 to 1, got {getattr(self, key)}")
        if not 0.0 <= self.strange_share < 1.0:
            raise ValueError(f"stock.strange_share must be 0 or more and less than 1, got {self.strange_share}")
