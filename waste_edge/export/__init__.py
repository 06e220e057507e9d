"""Host side: a run becomes a bundle, with ONNX and TFLite files in FP32 and INT8 that are shown to agree."""
