"""UserError -> what the person reads, and which block is marked."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from diffbio_engine import errors
from diffbio_engine.errors import UserError
from diffbio_engine.ports import Address


def sentence(error: UserError) -> str:
    """What is wrong and what to do about it, without the address."""
    what = error.what[:1].upper() + error.what[1:] if not error.where else error.what
    return f"{what} {error.fix}".strip()


def at_block(error: UserError, titles: Mapping[str, str]) -> str:
    """The same with its address in words: the block as the canvas calls it, its port or setting.

    Args:
        titles: By block id.
    """
    block, inner = Address.parse(error.where).parts
    title, text = titles.get(block), sentence(error)
    if title is None:
        return str(error)
    if inner:
        return f"{title}: {inner.replace('_', ' ')} {text}"
    return f"{title} {text}" if text[:1].islower() else f"{title}: {text}"


def block_of(error: UserError) -> str:
    """The block that the error is about; empty if it is about no block."""
    return Address.parse(error.where).block


def by_block(problems: Iterable[UserError]) -> dict[str, list[str]]:
    """For each block, what is wrong there: port or setting first, then the sentence."""
    found: dict[str, list[str]] = defaultdict(list)
    for error in problems:
        block, inner = Address.parse(error.where).parts
        text = sentence(error)
        whole = f"{inner.replace('_', ' ')} {text}" if inner else text[:1].upper() + text[1:]
        found[block].append(whole)
    return dict(found)


def by_setting(problems: Iterable[UserError], block: str) -> dict[str, str]:
    """For one block, what is wrong with each of its settings."""
    found = {}
    for error in problems:
        where, inner = Address.parse(error.where).parts
        if where == block and inner:
            found[inner] = sentence(error)
    return found


def error_from(data: dict[str, Any]) -> UserError:
    """The error that a run wrote down: a person's mistake in words, anything else as ours."""
    kind = getattr(errors, str(data.get("kind", "")), None)
    what, fix = str(data.get("what", "")), str(data.get("fix", ""))
    if isinstance(kind, type) and issubclass(kind, UserError):
        return kind(what, fix=fix, where=str(data.get("where", "")))
    ours = "Something went wrong here"
    return UserError(
        what if what.startswith(ours) else f"{ours}: {what}" if what else f"{ours}.",
        fix=fix or "The full report is in the run's worker.log.",
        where=str(data.get("where", "")),
    )
