"""Plots of benchmarks and robustness tables. A workstation's room: it needs matplotlib."""
