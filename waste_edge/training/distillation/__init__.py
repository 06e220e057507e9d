"""Losses of training and distillation, and the teachers that a student learns from."""
