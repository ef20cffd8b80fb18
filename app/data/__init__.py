"""The data panel: bring a file, look at it, say where things lie in it, apply what was trained."""
