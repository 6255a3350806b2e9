"""A small HTTP server that answers as `z1 serve` does, for each Kubernetes service by its name.

Written from ``z1/serving/replies.py`` and ``middleware.py``: ``GET /z1`` tells of the window;
a chat completion's choice has ``window``, and ``reasoning`` where that closed; only /v1 asks for
the API key.
"""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from z1.recipe import ThinkingWindow

KEY = "secret"
BUDGETS = {"low": 256, "medium": 1024, "high": 4096}


class ChatServer:
    """Answers 56; ``http://HOST/SERVICE`` is where a service is."""

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}
        """By service: wrong, over (the budget), silent (no window), broken (500)."""
        self.find: Callable[[str], str] = lambda service: service
        """Which service's server answers."""
        self.asked: list[tuple[str, str]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/{{service}}"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def _handler(server: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            pass

        def _split(self) -> tuple[str, str]:
            _, service, path = self.path.split("/", 2)
            return server.find(service), path

        def do_GET(self) -> None:
            service, path = self._split()
            if path != "z1" or server.faults.get(service) == "silent":
                self._send(404, {"detail": "Not Found"})
                return
            window = ThinkingWindow()
            told = {"hint": window.hint, "hint_tokens": 20, "reserve": window.reserve}
            self._send(200, {"window": {**told, "budgets": BUDGETS}})

        def do_POST(self) -> None:
            service, _ = self._split()
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fault = server.faults.get(service)
            if self.headers.get("Authorization") != f"Bearer {KEY}":
                self._send(401, {"error": "Unauthorized"})
                return
            effort = body["reasoning_effort"]
            server.asked.append((service, effort))
            if fault == "broken":
                self._send(500, {"error": {"message": "engine died", "code": 500}})
                return
            budget = BUDGETS[effort]
            thought = budget + 1 if fault == "over" else budget
            text = "It is 57." if fault == "wrong" else "It is 56."
            choice = {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text, "reasoning": "7 * 8"},
                "window": {
                    "closed": True,
                    "budget": budget,
                    "thinking_tokens": thought,
                    "hint_tokens": 20,
                    "answer_tokens": 4,
                },
            }
            usage = {"prompt_tokens": 9, "completion_tokens": 30, "total_tokens": 39}
            answer = {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"]}
            self._send(200, {**answer, "choices": [choice], "usage": usage})

        def _send(self, code: int, content: Any) -> None:
            data = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
