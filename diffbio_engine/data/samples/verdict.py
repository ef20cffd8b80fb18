"""What is said of one of several samples."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """What is to be said of one sample beside the others.

    Attributes:
        problem, fix: Why it cannot be joined with them, and what to do; empty if it can.
        notes: What a person should know of it besides.
        n_genes: How many genes it has where it is joined.
        n_shared: How many of these all samples have.
    """

    problem: str = ""
    fix: str = ""
    notes: tuple[str, ...] = ()
    n_genes: int = 0
    n_shared: int = 0

    @property
    def is_good(self) -> bool:
        """Whether it can be joined."""
        return not self.problem
