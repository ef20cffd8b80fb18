"""Readers: one file for each form in which people bring data."""
