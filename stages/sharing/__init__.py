"""Encoders on their way to others: as ONNX, or to a hub."""
