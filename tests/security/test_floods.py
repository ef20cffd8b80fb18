"""Much of what means nothing: idle lines of nobody, and messages that no page sends."""

import asyncio
import contextlib
import json
import socket
import urllib.parse

from tornado.websocket import WebSocketClosedError


def test_idle_lines_of_somebody_who_has_not_signed_in_keep_nobody_out(lab):
    there = urllib.parse.urlsplit(lab.home)
    with contextlib.ExitStack() as lines:
        for _ in range(300):
            address = (there.hostname, there.port)
            lines.enter_context(socket.create_connection(address, timeout=10))
        assert lab.visitor("ada").ask("/app").status == 200


def test_messages_that_cannot_be_read_end_the_line_and_leave_little_in_the_log(lab):
    bob, before = lab.visitor("bob"), lab.log.stat().st_size
    deep = "[" * 100_000 + "]" * 100_000
    head = json.dumps({"msgid": "1", "msgtype": "PATCH-DOC"})

    async def work():
        token = bob.ask("/app").token
        for parts in (["x" * (3 << 20), "{}", "{}"], [head, "{}", deep]):
            line = await bob.socket(token)
            with contextlib.suppress(WebSocketClosedError):
                for part in parts:
                    await line.write_message(part)
            while await asyncio.wait_for(line.read_message(), 60) is not None:
                pass

    asyncio.run(asyncio.wait_for(work(), 180))
    assert lab.log.stat().st_size - before < 100_000
    assert lab.visitor("ada").ask("/app").status == 200


def test_a_message_without_end_is_refused_before_it_fills_the_memory(lab):
    bob = lab.visitor("bob")
    head = json.dumps({"msgid": "1", "msgtype": "PATCH-DOC", "num_buffers": 10**9})

    async def refused(*parts):
        line = await bob.socket(bob.ask("/app").token)
        await line.read_message()  # it is open
        with contextlib.suppress(WebSocketClosedError):
            for part in parts:
                await line.write_message(part, binary=isinstance(part, bytes))
        while await asyncio.wait_for(line.read_message(), 60) is not None:
            pass
        return line.close_code

    async def work():
        buffers = [part for i in range(10) for part in (json.dumps({"id": str(i)}), bytes(4 << 20))]
        assert await refused(head, "{}", '{"events": []}', *buffers) == 1009
        assert await refused("x" * (9 << 20)) in (1009, None)

    asyncio.run(asyncio.wait_for(work(), 180))
    assert "A socket was closed: a message of more than 24 MB" in lab.log.read_text()
    assert lab.visitor("ada").ask("/app").status == 200
