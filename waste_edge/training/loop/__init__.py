"""The training loop: schedule, checkpoints, seeds, several processes."""
