"""The name that `waste_edge.files.resources` had in version 0.1, for programs that use it."""

from waste_edge.files.resources import BUNDLES, DEFAULT_BUNDLE, DEMO_CLIP, DEMO_SCRIPT, find, shipped

__all__ = ["BUNDLES", "DEFAULT_BUNDLE", "DEMO_CLIP", "DEMO_SCRIPT", "find", "shipped"]
