"""Quantization-aware training, with the rounding that INT8 will do."""
