"""The parts of a recipe that say what is done to training pictures, and which are added to them."""

from __future__ import annotations

from waste_edge.files.strict import Strict


class AugmentSpec(Strict, frozen=True):
    """What is done to training pictures only. The student and its teacher see the same augmented view.

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


class StrangerSpec(Strict, frozen=True):
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
