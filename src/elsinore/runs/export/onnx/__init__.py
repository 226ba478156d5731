"""A policy as an ONNX graph, operation by operation."""
