"""Eve opens more than she may; the others do not notice."""

import asyncio

import pytest
from tornado.httpclient import HTTPClientError

from tests.security.conftest import MOST_TABS


def test_one_person_cannot_take_the_server_with_tabs_and_a_closed_one_makes_room(lab):
    eve, bob = lab.visitor("eve"), lab.visitor("bob")
    token = eve.ask("/app").token

    async def page():
        return await asyncio.to_thread(eve.ask, "/app")

    async def work():
        lines = [await eve.socket(token) for _ in range(MOST_TABS)]
        refused = await page()
        assert refused.status == 429 and int(refused.headers["Retry-After"]) == 5
        assert f"You have {MOST_TABS} tabs of the workbench open" in refused.text
        assert 'http-equiv="refresh"' in refused.text  # it opens once there is room
        assert "frame-ancestors" in refused.headers["Content-Security-Policy"]
        with pytest.raises(HTTPClientError) as stopped:
            for _ in range(20):
                lines.append(await eve.socket(token))
        assert stopped.value.code == 429 and len(lines) < MOST_TABS + 10
        assert (await asyncio.to_thread(bob.ask, "/app")).status == 200
        for line in lines[MOST_TABS - 1 :]:
            line.close()
        for _ in range(300):
            if (let_in := await page()).status == 200:
                break
            await asyncio.sleep(0.1)
        assert let_in.token != token
        for line in lines:
            line.close()

    asyncio.run(asyncio.wait_for(work(), 180))
