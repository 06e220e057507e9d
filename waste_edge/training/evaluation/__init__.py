"""Scoring of runs: whatever needs torch to answer."""
