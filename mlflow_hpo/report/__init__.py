"""What a study came to: the ranking, and the way into the model registry."""
