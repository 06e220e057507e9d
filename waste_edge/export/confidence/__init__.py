"""Confidence of a bundle, fitted on validation pictures: temperature, thresholds, and the known score."""
