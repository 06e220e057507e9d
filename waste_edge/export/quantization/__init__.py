"""From FP32 to INT8: calibration, ranges, equalization, and the accuracy gate.

`export/quantize.py` calls these for every recipe that is tried, and measures what comes of it.
"""
