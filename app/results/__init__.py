"""Results of a run, and what goes home."""
