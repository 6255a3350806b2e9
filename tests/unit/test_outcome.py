"""What is told of a run's end, and to whom."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from z1.outcome import tell


class Listener:
    """A web address that keeps what it is told."""

    def __init__(self, status: int = 200) -> None:
        told: list[Any] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(listener.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        listener = self
        self.told, self.status = told, status
        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/hook"


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    thread = threading.Thread(target=listener.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield listener
    listener.http.shutdown()
    listener.http.server_close()
    thread.join()


def test_the_log_says_how_a_run_ended(capsys):
    tell("name: mine\n", "tops-x7", "SUCCEEDED", "")
    tell("name: mine\n", "tops-x8", "FAILED", "step tag was killed")
    assert capsys.readouterr().out.splitlines() == [
        "z1: mine: run tops-x7 succeeded",
        "z1: mine: run tops-x8 ended as failed: step tag was killed",
    ]


def test_the_address_in_the_recipe_is_told(listener, capsys):
    tell(f"name: mine\nnotify: {listener.url}\n", "tops-x8", "FAILED", "")
    [told] = listener.told
    text = "z1: mine: run tops-x8 ended as failed"
    message = {"recipe": "mine", "run": "tops-x8", "state": "FAILED", "message": "", "text": text}
    assert told == message
    assert capsys.readouterr().out.splitlines()[0] == text


def test_an_address_that_does_not_take_it_is_no_error(listener, capsys):
    listener.status = 500
    tell(f"name: mine\nnotify: {listener.url}\n", "tops-x8", "SUCCEEDED", "")
    tell("name: mine\nnotify: http://127.0.0.1:9/hook\n", "tops-x8", "SUCCEEDED", "")
    out = capsys.readouterr().out
    assert out.count("run tops-x8 succeeded") == 2
    assert out.count("could not be told") == 2


@pytest.mark.parametrize("recipe", ["name: [", "", "[]"])
def test_a_broken_recipe_does_not_hide_how_its_run_ended(recipe, capsys):
    tell(recipe, "tops-x8", "FAILED", "")
    assert capsys.readouterr().out == "z1: ?: run tops-x8 ended as failed\n"
