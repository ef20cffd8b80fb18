"""Whoever asks much waits for themselves."""

import threading

from app.server.fair_pool import FairPool


def test_a_person_with_many_slow_things_leaves_threads_for_another():
    pool, go, done = FairPool(threads=8, per_person=2), threading.Event(), threading.Event()
    for _ in range(50):
        pool.submit("eve", go.wait, 120)
    pool.submit("ada", done.set)
    assert done.wait(60)
    go.set()
    pool.shutdown()


def test_everything_is_done_in_the_persons_order_also_after_a_mistake():
    pool, done, end = FairPool(threads=2, per_person=1), [], threading.Event()
    pool.submit("ada", lambda: 1 / 0)
    for i in range(5):
        pool.submit("ada", done.append, i)
    pool.submit("ada", end.set)
    assert end.wait(60) and done == [0, 1, 2, 3, 4]
    pool.shutdown()
