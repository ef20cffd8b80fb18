"""The page that asks who one is, as `.ci/serve.sh` serves it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watch, new_page

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def guarded(tmp_path):
    """The address of a server that asks for a login."""
    users = tmp_path / "users.json"
    people = [sys.executable, "-m", "app.login", "add", "ada", "--file", str(users)]
    subprocess.run(people, cwd=ROOT, input="analytical", text=True, check=True, timeout=60)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {
        **os.environ,
        "LOGIN": str(users),
        "PORT": str(port),
        "DATA_DIR": str(tmp_path / "data"),
        "SPARE_WORKER": "0",
    }
    home = f"http://127.0.0.1:{port}"
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            ["bash", ".ci/serve.sh", sys.executable], cwd=ROOT, env=env, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            for _ in range(240):
                try:
                    urllib.request.urlopen(f"{home}/liveness", timeout=5).read()
                    break
                except OSError:
                    assert server.poll() is None, (tmp_path / "log").read_text()
                    time.sleep(0.25)
            yield home
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(20)


def test_who_signs_in_wrongly_is_told_so_and_who_signs_in_rightly_gets_to_the_workbench(
    guarded, browser
):
    watch = Watch(guarded)
    page = new_page(browser, watch)
    page.goto(f"{guarded}/app")
    expect(page).to_have_title("DiffBio Workbench: sign in")
    expect(page.locator("h1")).to_have_text("DiffBio Workbench")
    expect(page.locator("p")).to_contain_text("Sign in to train pipelines on your cells.")
    logo = page.locator("img.light")
    assert logo.evaluate("i => i.complete && i.naturalWidth > 0")
    for password in ("wrong", "wrong again"):
        page.get_by_label("Name").fill("ada")
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("do not belong together")
        expect(page.get_by_label("Password")).to_have_value("")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("analytical")
    page.get_by_role("button", name="Sign in").click(no_wait_after=True)
    page.wait_for_url(f"{guarded}/app", wait_until="commit", timeout=60_000)
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    user = next(cookie for name, cookie in cookies.items() if name.startswith("user-"))
    assert user["httpOnly"] and user["sameSite"] == "Lax"
    page.wait_for_selector(".palette .item", timeout=90_000)
    page.locator(".owner", has_text="ada").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{guarded}/login")
    page.goto(f"{guarded}/app")
    expect(page).to_have_title("DiffBio Workbench: sign in")
    page.context.close()
    watch.judge()
