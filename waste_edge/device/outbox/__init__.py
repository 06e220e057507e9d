"""The outbox: events on the disk before anyone is told of them."""
