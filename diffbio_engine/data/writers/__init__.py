"""Writers: the result of a run, in files that other programs open."""
