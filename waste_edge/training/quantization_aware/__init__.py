"""Training with the rounding that INT8 will do."""
