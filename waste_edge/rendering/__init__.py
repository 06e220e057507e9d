"""Draws synthetic waste items: the demo clip, extra training views and golden test inputs.

Everything here is computed from a seeded random generator with numpy and OpenCV; no photograph is read.
Import the part you need: `items` (sprites), `scene` (full camera views) or `clip` (the bundled video).
"""
