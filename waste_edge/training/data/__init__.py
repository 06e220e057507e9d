"""Photographs before training: data cards, how they are fetched, and whether they are fit to train on."""
