"""Cameras: one small interface (`camera.py`), a file a kind, and `find.py`, which opens what a user named."""

from waste_edge.device.cameras.camera import Camera, Candidate, RawFrame, Source
from waste_edge.device.cameras.find import camera_source, media_source

__all__ = ["Camera", "Candidate", "RawFrame", "Source", "camera_source", "media_source"]
