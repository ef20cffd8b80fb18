"""Operators by domain; each folder is a heading of the palette."""
