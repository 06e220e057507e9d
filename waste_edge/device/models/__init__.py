"""Models installed at a station: kept, checked, tried beside the one in charge, put in charge, and taken back."""
