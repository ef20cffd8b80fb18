"""Help: what temperature does, and the keys."""
