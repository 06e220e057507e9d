"""Models put together from others: cascade, weighted fusion, a probe on a frozen encoder."""
