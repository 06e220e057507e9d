"""The station as a systemd service: unit, environments, update, notifications."""
