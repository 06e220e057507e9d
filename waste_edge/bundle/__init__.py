"""The bundle, the only thing that passes from host to device: its manifest, its arrays, its signature."""
