"""The camera's own process: what it may touch, and the shared memory that its frames pass through."""
