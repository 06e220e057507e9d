"""Roofline model: measured latency against the least that the machine allows."""
