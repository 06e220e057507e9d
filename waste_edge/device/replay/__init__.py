"""Replay: what another site or bundle would have decided of the items that a station kept the features of."""
