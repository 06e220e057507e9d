"""From FP32 to INT8: calibration, ranges, equalization, and the accuracy gate."""
