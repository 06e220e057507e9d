"""Views made once by all cores, kept in one file, and changed in batches where the network is trained."""
