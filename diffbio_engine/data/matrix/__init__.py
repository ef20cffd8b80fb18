"""Matrices of cells by genes, in memory or on disk, and what they hold."""
