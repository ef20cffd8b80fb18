"""The folder of a run: who writes and reads which of its files."""
