"""How much a person's pages may send; `tests/security` sends a message without end."""

from app.access.message_size import Received

MB = 1 << 20


def test_a_person_sends_much_at_once_and_then_so_much_a_second():
    now = [0.0]
    received = Received(clock=lambda: now[0])
    assert all(received.takes("eve", 8 * MB) for _ in range(32))
    assert not received.takes("eve", 1)
    assert received.takes("ada", 8 * MB)
    now[0] = 16.0
    assert received.takes("eve", MB) and not received.takes("eve", 1)
    now[0] = 1e6
    assert received.takes("eve", 256 * MB) and not received.takes("eve", 1)


def test_a_hand_that_drags_all_day_is_never_stopped():
    now = [0.0]
    received = Received(clock=lambda: now[0])
    for _ in range(10_000):  # 60 gestures of 1 kB a second
        now[0] += 1.0
        assert received.takes("ada", 60 * 1000)


def test_where_nobody_signs_in_ten_people_send_as_one():
    assert Received(is_shared=True, clock=lambda: 0.0).takes("local", 2560 * MB)
