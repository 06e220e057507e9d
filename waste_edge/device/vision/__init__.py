"""From frames to what is in view: the scene, presence, and whether the camera can be believed."""
