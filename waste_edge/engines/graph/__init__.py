"""What is inside an ONNX or TFLite file: operators, costs, and rules for its target."""
