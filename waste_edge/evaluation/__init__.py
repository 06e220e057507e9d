"""Scoring of models on labelled pictures, without torch: accuracy, unknowns, robustness, comparisons, reports."""
