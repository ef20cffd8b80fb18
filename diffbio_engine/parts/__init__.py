"""Bricks shared by two or more domains; they know nothing of operators."""
