"""Who comes in, and what a person may reach."""
