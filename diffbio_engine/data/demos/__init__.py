"""Demo data without a network: one real set, and simulated ones with known truth."""
