"""What is in a file, before it is used: matrices, columns, suggestions, the preview."""
