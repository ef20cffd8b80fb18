"""Genes: matched between files, selected by variability, and what is known of them."""
