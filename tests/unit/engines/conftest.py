"""A small server with OpenAI's API: the tiny model, one request at a time, and faults on demand."""

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import torch
from transformers import DynamicCache

from z1.models import encode_prompt, load_model, load_tokenizer, stop_tokens
from z1.window import Window


class OpenAIServer:
    """What it was asked stands in ``bodies``; ``faults`` are served first, before any reply.

    A fault is a pair of status and headers, or None to drop the connection.
    """

    def __init__(self) -> None:
        self.tokenizer = load_tokenizer("tiny")
        self.model = load_model("tiny", "float32").eval()
        self.stops = stop_tokens("tiny", self.tokenizer)
        self.lock = threading.Lock()
        self.reset()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def reset(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.faults: deque[tuple[int, dict[str, str]] | None] = deque()
        self.key: str | None = None
        self.gives_ids = True
        self.window: dict[str, Any] | None = None  # as `z1 serve` tells of it
        self.refuse: Callable[[dict[str, Any]], bool] = lambda body: False
        self.pause = 0.0
        self.asked = self.busy = self.peak = 0

    @torch.inference_mode()
    def generate(self, prompt: list[int], body: dict[str, Any], limit: int) -> list[int]:
        """Return the ids of a reply with its end token, if it has one."""
        budget, window = body.get("thinking_token_budget"), None
        if budget is not None:
            assert self.window is not None
            window = Window(budget, tuple(self.encode(self.window["hint"])))
        generator = torch.Generator().manual_seed(body["seed"])
        ids: list[int] = []
        cache = DynamicCache(config=self.model.config)
        while len(ids) < limit and not (ids and ids[-1] in self.stops):
            new = torch.tensor([ids[-1:] or prompt])
            logits = self.model(new, past_key_values=cache, use_cache=True).logits[0, -1]
            token = int(logits.argmax())
            if body["temperature"]:
                chances = (logits / body["temperature"]).softmax(-1)
                token = int(torch.multinomial(chances, 1, generator=generator))
            forced = window.forced(ids) if window else None
            ids.append(token if forced is None else forced)
        return ids

    def encode(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True)

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        ids = self.generate(body["prompt"], body, body["max_tokens"])
        choice = {"text": self.decode(ids), "finish_reason": self.finish(ids), "index": 0}
        if self.gives_ids and body["return_token_ids"]:
            choice["token_ids"] = ids
        return {"choices": [choice]}

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        said = "\n".join(message["content"] for message in body["messages"])
        prompt = encode_prompt(self.tokenizer, said, None)
        ids = self.generate(prompt, body, body["max_completion_tokens"])
        ended = ids[-1] in self.stops
        choice: dict[str, Any] = {"finish_reason": self.finish(ids), "index": 0}
        message = {"role": "assistant", "content": self.decode(ids)}
        if (budget := body.get("thinking_token_budget")) is not None:
            window = Window(budget, tuple(self.encode(self.window["hint"])))
            parts = window.split(ids[:-1] if ended else ids, ended)
            if parts.closed:
                message["reasoning"] = self.decode(parts.thinking)
                message["content"] = self.decode(parts.answer)
            choice["window"] = {"closed": parts.closed, "budget": budget} | {
                f"{name}_tokens": len(part) for name, part in parts._asdict().items()
            }
        return {"choices": [choice | {"message": message}], "usage": self.usage(ids)}

    @staticmethod
    def usage(ids: list[int]) -> dict[str, int]:
        return {"completion_tokens": len(ids), "prompt_tokens": 0, "total_tokens": len(ids)}

    def finish(self, ids: list[int]) -> str:
        return "stop" if ids[-1] in self.stops else "length"

    def respond(self, path: str, body: dict[str, Any], key: str) -> tuple[int, Any]:
        if self.key is not None and key != f"Bearer {self.key}":
            return 401, {"error": {"message": "this key is not known here"}}
        if path == "/z1" and self.window is not None:
            return 200, {"window": self.window}
        answer = {"/v1/completions": self.complete, "/v1/chat/completions": self.chat}.get(path)
        if answer is None:
            return 404, {"error": {"message": "there is nothing here"}}
        self.bodies.append(body)
        if self.refuse(body):
            return 400, {"error": {"message": "no such request, please"}}
        with self.lock:
            return 200, {"id": "1", "object": "x", "created": 0, "model": "m"} | answer(body)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server.lock:
                    server.asked += 1
                    server.busy += 1
                    server.peak = max(server.peak, server.busy)
                time.sleep(server.pause)
                with server.lock:
                    fault = server.faults.popleft() if server.faults else ()
                if fault is None:
                    self.close_connection = True
                    answer: Any = None
                elif fault:
                    answer = fault[0], {"error": {"message": "a fault"}}, fault[1]
                else:
                    answer = server.respond(self.path, body, self.headers["Authorization"])
                with server.lock:
                    server.busy -= 1
                if answer:
                    self.send(*answer)

            def do_GET(self) -> None:
                self.send(*server.respond(self.path, {}, self.headers["Authorization"]))

            def send(self, status: int, content: Any, headers: Any = ()) -> None:
                text = json.dumps(content).encode()
                self.send_response(status)
                for name, value in dict(headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                with contextlib.suppress(ConnectionError):  # the client may have given up
                    self.end_headers()
                    self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@pytest.fixture(scope="session")
def started_server() -> OpenAIServer:
    return OpenAIServer()


@pytest.fixture
def server(started_server: OpenAIServer) -> OpenAIServer:
    """The server, with nothing asked yet and no faults."""
    started_server.reset()
    return started_server
