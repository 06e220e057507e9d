"""Rules of a recipe's parts about training views: a table of conditions and messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

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
