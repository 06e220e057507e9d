"""Graphs in ONNX and TFLite files: operators, costs, and rules for their target."""
