"""What is minimized, and the teachers that a student learns from."""
