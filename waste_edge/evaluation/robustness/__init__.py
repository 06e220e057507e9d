"""Accuracy on pictures worse than those that a model was scored on: `evaluate` and `compare --robustness`.

Numpy and OpenCV only: a bundle on a board and a run on a workstation are measured alike, each as a callable.
"""
