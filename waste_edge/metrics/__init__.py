"""Scores of classifiers: accuracy and calibration, curves, significance. Numpy only."""
