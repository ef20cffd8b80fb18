"""Takes the README's pictures from a running workbench, as a person would see it.

    DATA_DIR=$(mktemp -d) PORT=5188 make run     (in another terminal)
    python tests/browser/take_screenshots.py FILE.h5ad [--url http://127.0.0.1:5188/app]

Uploads the file, opens the ready single-cell pipeline, trains it to the end, and keeps
assets/screenshots/workbench-light.png and -dark.png. Nothing is staged: what they show ran.
"""

import argparse
import os
import sys
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.conftest import CHROMIUM_FLAGS, chromium

PICTURES = Path(__file__).resolve().parents[2] / "assets/screenshots"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:5188/app")
    parser.add_argument("--into", type=Path, default=PICTURES)
    options = parser.parse_args()
    with sync_playwright() as play:
        found = chromium()
        path = found if found and os.path.isabs(found) else None
        browser = play.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 860})
        page.set_default_timeout(30_000)
        page.on("console", lambda m: m.type == "error" and print("page:", m.text, file=sys.stderr))
        page.goto(options.url)
        page.wait_for_selector(".palette .item")
        page.locator("button.data").click()
        page.locator(".drop input[type=file]").set_input_files(options.file)
        page.locator(".look button.use").click()
        page.locator(".start", has_text="ingle").first.click()
        page.wait_for_selector(".react-flow__node")
        page.locator("[data-do=run]").click()
        expect(page.locator("[data-state=done]")).to_be_visible(timeout=600_000)
        page.wait_for_timeout(2_000)
        page.screenshot(path=options.into / "workbench-light.png")
        page.locator(".theme").click()
        page.wait_for_timeout(2_000)
        page.screenshot(path=options.into / "workbench-dark.png")
        browser.close()


if __name__ == "__main__":
    main()
