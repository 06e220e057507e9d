"""Networks that are not known good run in a child process first, with limits: nothing of them reaches ours before."""
