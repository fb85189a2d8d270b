"""What runs in a worker process, and what the driver sends it."""
