"""Waste items, drawn: one file a material, and sprites by label."""
