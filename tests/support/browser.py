"""A real headless Chromium, driven over the WebDriver protocol (W3C) by chromedriver."""

import base64
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.command import until

DRIVER = shutil.which("chromedriver")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = None if DRIVER and CHROMIUM else "Chromium or chromedriver is not installed"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One window."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        self._do("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a function body returns in the page."""
        return self._do("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector: str) -> str:
        """What stands in the first element; empty if there is none."""
        found = self.run("return document.querySelector(arguments[0])?.textContent", selector)
        return str(found or "")

    def count(self, selector: str) -> int:
        return int(self.run("return document.querySelectorAll(arguments[0]).length", selector))

    def click(self, selector: str) -> None:
        """As a user clicks: where the element is seen."""
        self._do("POST", f"/element/{self._element(selector)}/click", {})

    def type(self, selector: str, keys: str) -> None:
        self._do("POST", f"/element/{self._element(selector)}/value", {"text": keys})

    def press(self, key: str) -> None:
        """A key, wherever the focus is."""
        strokes = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self._do("POST", "/actions", {"actions": [{"type": "key", "id": "k", "actions": strokes}]})

    def until(self, script: str, *arguments: Any, seconds: float = 10.0) -> None:
        """Until a function body returns something true in the page."""
        until(lambda: bool(self.run(script, *arguments)), seconds)

    def troubles(self) -> list[str]:
        """What the page has complained about since it was last asked."""
        found = self._do("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in found if entry["level"] == "SEVERE"]

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._do("GET", "/screenshot")))

    def close(self) -> None:
        self._do("DELETE", "")

    def _element(self, selector: str) -> str:
        found = self._do("POST", "/element", {"using": "css selector", "value": selector})
        return str(found[ELEMENT])

    def _do(self, method: str, path: str, body: object = None) -> Any:
        return _ask(method, self._session + path, body)


@contextmanager
def browser(width: int = 1440, height: int = 960, **preferences: str) -> Iterator[Browser]:
    """A window of that size; its language is English unless ``language`` says otherwise."""
    assert DRIVER is not None
    assert CHROMIUM is not None
    driver = subprocess.Popen(
        [DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert driver.stdout is not None
        line = next(line for line in driver.stdout if "successfully on port" in line)
        base = f"http://127.0.0.1:{line.rstrip().rstrip('.').rpartition(' ')[2]}"
        options = {
            "binary": CHROMIUM,
            "args": [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--force-color-profile=srgb",
                f"--window-size={width},{height}",
                f"--lang={preferences.get('language', 'en')}",
            ],
        }
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        made = _ask("POST", f"{base}/session", {"capabilities": {"alwaysMatch": wanted}})
        window = Browser(f"{base}/session/{made['sessionId']}")
        yield window
        window.close()
    finally:
        driver.terminate()
        driver.wait(10)
        if driver.stdout is not None:
            driver.stdout.close()


def _ask(method: str, url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        with error:
            told = json.load(error)["value"]
        raise AssertionError(f"{told['error']}: {told['message'].splitlines()[0]}") from None
