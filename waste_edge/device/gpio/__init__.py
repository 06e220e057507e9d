"""Pins of the board: lights, relays and servos that show where an item goes, and buttons that answer."""
