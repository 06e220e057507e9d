"""Decide an item's stream from the predictions of it: item tracker, policy, routing, site check."""
