"""How near a network comes to what its machine can do at best."""
