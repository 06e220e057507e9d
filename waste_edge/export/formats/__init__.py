"""From torch to ONNX and TFLite files."""
