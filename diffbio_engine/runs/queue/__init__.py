"""Which run is next, where it computes, and who looks after it."""
