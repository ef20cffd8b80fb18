"""What the log holds of what strangers send: short, not without end, and what was left out."""

import logging

from app.access.bounded_log import LONGEST, MOST_A_MINUTE, MOST_TRACES_A_MINUTE, Bounded


def record(text, *args, line=1, error=None):
    told = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("bokeh", logging.ERROR, "ws.py", line, text, args, told)


def test_a_long_message_is_cut_and_says_how_long_it_was():
    long = record("Unhandled exception receiving a message: %r", "x" * 1_000_000)
    assert Bounded().filter(long)
    assert len(long.getMessage()) < LONGEST + 50
    assert long.getMessage().endswith("... (1,000,043 letters)")
    short = record("%s came", "ada")
    assert Bounded().filter(short) and short.getMessage() == "ada came"


def test_one_place_says_so_much_a_minute_and_then_how_much_was_left_out():
    now = [0.0]
    bounded = Bounded(lambda: now[0])
    let_through = sum(bounded.filter(record("again")) for _ in range(MOST_A_MINUTE + 70))
    assert let_through == MOST_A_MINUTE
    assert bounded.filter(record("elsewhere", line=2))
    now[0] = 61.0
    later = record("again")
    assert bounded.filter(later) and later.getMessage() == "again (70 more were left out)"
    after = record("again")
    assert bounded.filter(after) and after.getMessage() == "again"


def test_traces_are_fewer_and_cut_in_their_middle():
    bounded = Bounded()
    try:
        raise ValueError("y" * 100_000)
    except ValueError as raised:
        error = raised
    records = [record("In the page", error=error) for _ in range(MOST_TRACES_A_MINUTE + 5)]
    assert sum(map(bounded.filter, records)) == MOST_TRACES_A_MINUTE
    told = logging.Formatter().format(records[0])
    assert len(told) < 9_000 and "Traceback" in told and told.endswith("yyy")
