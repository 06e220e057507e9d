"""Ribbon cameras and whatever else libcamera drives: the camera, the formats of its frames, the devices it needs."""
