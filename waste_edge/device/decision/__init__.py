"""From an item's predictions to one decision: item tracker, policy, routing, site check."""
