"""The machine that a benchmark runs on: its facts, its energy, what disturbs it meanwhile."""
