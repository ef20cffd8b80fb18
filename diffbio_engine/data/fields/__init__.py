"""Which port of a pipeline finds its array where in a data set."""
