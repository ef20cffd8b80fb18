"""What one tab works on: its document, its data, its run."""
