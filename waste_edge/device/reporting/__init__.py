"""Reports of a station's events: counts, downtime and contamination by stream, from the outbox and JSON lines."""
