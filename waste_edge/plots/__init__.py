"""Pictures for people who would rather look than read. A workstation's room: it needs matplotlib."""
