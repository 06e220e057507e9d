"""Several models measured on the same pictures and compared."""
