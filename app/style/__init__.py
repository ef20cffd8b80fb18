"""Colours, themes, words and titles that every feature uses."""
