"""A small API server of Kubeflow Pipelines, and an environment in which kfp knows of no other.

It was written from the API reference of version 2 (v2beta1) as the package ``kfp_server_api`` 2.17
carries it (paths, fields, names of enumerations), and, for what that does not say, from what the
published server does:

- names of experiments, pipelines and a pipeline's versions are unique, those of recurring runs are
  not; a name taken is 409;
- bodies have the fields of the API's models and no others;
- errors are gRPC's, ``{"code", "message", "details"}``; those of the upload, which is no gRPC, are
  ``{"error_message", "error_details"}``, and 400 where others are 401 and 403;
- a list has ``page_size`` entries and a ``next_page_token`` if there are more; 20 without a size;
- with many users a namespace is needed wherever there is one; with one user it is refused in lists;
- a recurring run needs 1 to 10 for ``max_concurrency`` and a cron expression of 5 or 6 fields;
  without ``mode`` it is disabled; there is no call that changes one; enabling and disabling again
  what is so already is no error;
- parameters without a default have to be given, in the type that the pipeline declares;
- JSON as of protocol buffers: what is empty, 0 or false is left out, 64-bit integers are text.
"""

import functools
import json
import os
import re
import socket
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import kfp_server_api
import pytest
import yaml

from z1_pipelines import job

_GRPC = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 500: 13, 503: 14}
_TYPES = {"STRING": str, "NUMBER_INTEGER": (int, float), "NUMBER_DOUBLE": (int, float)}
_TYPES |= {"BOOLEAN": bool, "LIST": list, "STRUCT": dict}


class RefusedError(Exception):
    """An error that a client gets."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class FakeServer:
    """The server's state, and what a test wants of it."""

    def __init__(self) -> None:
        self.experiments: list[dict[str, Any]] = []
        self.pipelines: list[dict[str, Any]] = []
        self.versions: list[dict[str, Any]] = []
        self.runs: list[dict[str, Any]] = []
        self.recurring: list[dict[str, Any]] = []
        self.multi_user = False
        self.tokens: dict[str, set[str]] = {}  # namespaces of each; none: nobody is asked
        self.log_in = False  # send everybody to a page
        self.faults: list[dict[str, Any]] = []
        self.futures: list[dict[str, Any]] = []  # what a run looks like, one look after another
        self.calls: list[str] = []
        self.most_enabled = 0  # recurring runs of one name, at any time
        self.propagation: list[str] = []
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"fake": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def fail(self, call: str, status: int = 0, *, done: bool = False, times: int = 1) -> None:
        """Let calls that match fail; status 0 drops the connection. ``done``: but do them."""
        self.faults.append({"call": call, "status": status, "done": done, "times": times})

    def find_fault(self, call: str) -> dict[str, Any] | None:
        for fault in self.faults:
            if fault["times"] and re.search(fault["call"], call):
                fault["times"] -= 1
                return fault
        return None

    def enabled(self) -> list[dict[str, Any]]:
        return [one for one in self.recurring if one["mode"] == "ENABLE"]

    def made(self, call: str) -> int:
        return sum(bool(re.search(call, made)) for made in self.calls)

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        rest = path.removeprefix("/apis/v2beta1")
        if rest == path:
            raise RefusedError(404, "Not Found")
        if rest == "/healthz":
            return {"multi_user": True} if self.multi_user else {}
        for pattern, verb, act in _ROUTES:
            if verb == method and (found := re.fullmatch(pattern, rest)):
                return act(self, query, body, *found.groups())
        raise RefusedError(404, "Not Found")

    # What is listed and looked for

    def page(self, items: list[dict[str, Any]], key: str, query: dict[str, str]) -> Any:
        for predicate in json.loads(query.get("filter") or "{}").get("predicates", []):
            assert predicate["operation"] in (1, "EQUALS")
            wanted = predicate.get("string_value", predicate.get("stringValue"))
            items = [item for item in items if item[predicate["key"]] == wanted]
        start, size = int(query.get("page_token") or 0), int(query.get("page_size") or 20)
        answer = {key: items[start : start + size]} if items[start:] else {}
        if len(items) > start + size:
            answer["next_page_token"] = str(start + size)
        return answer

    def of_namespace(self, items: list[dict[str, Any]], query: dict[str, str]) -> Any:
        namespace = query.get("namespace", "")
        if not self.multi_user and namespace:
            raise RefusedError(400, "In single-user mode, a list cannot be filtered by namespace")
        self.need(self.multi_user, namespace)
        return [item for item in items if item.get("namespace", "") == namespace]

    def need(self, needed: bool, namespace: str) -> None:
        if needed and not namespace:
            raise RefusedError(400, "Namespace is required in multi-user mode")
        if self.tokens and namespace not in self.tokens[self.user]:
            raise RefusedError(403, f"User is not authorized in namespace {namespace}: Forbidden")

    def get(self, items: list[dict[str, Any]], key: str, identity: str) -> dict[str, Any]:
        for item in items:
            if item[key] == identity:
                return item
        raise RefusedError(404, f"ResourceNotFoundError: {key} {identity} not found")

    def add(self, items: list[dict[str, Any]], key: str, item: dict[str, Any]) -> dict[str, Any]:
        item = {name: value for name, value in item.items() if value not in ("", None, False)}
        item |= {key: str(uuid.uuid4()), "created_at": "2026-01-01T00:00:00Z"}
        items.append(item)
        return item

    def add_named(self, items: Any, key: str, item: dict[str, Any], *same: str) -> dict[str, Any]:
        for other in items:
            if all(other.get(name) == item.get(name) for name in ("display_name", *same)):
                raise RefusedError(409, f"{item['display_name']} is taken: Already exist error")
        return self.add(items, key, item)

    # The calls

    def create_experiment(self, query: Any, body: Any) -> Any:
        _check(body, "V2beta1Experiment")
        self.need(self.multi_user, body.get("namespace", ""))
        body["storage_state"] = "AVAILABLE"
        return self.add_named(self.experiments, "experiment_id", body, "namespace")

    def create_pipeline(self, query: Any, body: Any) -> Any:
        _check(body, "V2beta1Pipeline")
        self.need(self.multi_user, body.get("namespace", ""))
        body.setdefault("display_name", body.get("name"))
        return self.add_named(self.pipelines, "pipeline_id", body, "namespace")

    def upload_version(self, query: dict[str, str], package: str) -> Any:
        self.get(self.pipelines, "pipeline_id", query["pipelineid"])
        spec = _parse(package)
        if "pipelineInfo" not in spec:
            raise RefusedError(400, "unknown template format")
        version = {"display_name": query["name"], "pipeline_id": query["pipelineid"]}
        made = self.add_named(self.versions, "pipeline_version_id", version, "pipeline_id")
        made["pipeline_spec"] = spec
        return made

    def list_versions(self, query: Any, body: Any, pipeline: str) -> Any:
        self.get(self.pipelines, "pipeline_id", pipeline)
        items = [one for one in self.versions if one["pipeline_id"] == pipeline]
        return self.page(items, "pipeline_versions", query)

    def check_job(self, body: dict[str, Any]) -> None:
        experiment = self.get(self.experiments, "experiment_id", body["experiment_id"])
        self.need(False, experiment.get("namespace", ""))
        if experiment["storage_state"] == "ARCHIVED":
            raise RefusedError(400, "The experiment is archived")
        body["namespace"] = experiment.get("namespace", "")
        spec = body.get("pipeline_spec")
        if spec is None:
            version = body["pipeline_version_reference"]["pipeline_version_id"]
            spec = self.get(self.versions, "pipeline_version_id", version)["pipeline_spec"]
        # kfp's client sends what only Kubernetes has, such as tolerations, beside the pipeline.
        spec = spec.get("pipeline_spec", spec)
        declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
        given = body.get("runtime_config", {}).get("parameters", {})
        for name, parameter in declared.items():
            if name not in given and "defaultValue" not in parameter:
                raise RefusedError(400, f"parameter {name} has neither default nor given value")
        for name, value in given.items():
            if name not in declared:
                raise RefusedError(400, f"parameter {name} is not an input of the pipeline")
            if not isinstance(value, _TYPES[declared[name]["parameterType"]]):
                raise RefusedError(
                    400, f"parameter {name} is not {declared[name]['parameterType']}"
                )

    def create_run(self, query: Any, body: Any) -> Any:
        _check(body, "V2beta1Run")
        self.check_job(body)
        return self.add(self.runs, "run_id", {**body, "state": "PENDING"})

    def get_run(self, query: Any, body: Any, identity: str) -> Any:
        run = self.get(self.runs, "run_id", identity)
        if self.futures:
            run.update(self.futures.pop(0))
        return run

    def create_recurring(self, query: Any, body: Any) -> Any:
        _check(body, "V2beta1RecurringRun")
        self.check_job(body)
        if not 1 <= int(body.get("max_concurrency", 0)) <= 10:
            raise RefusedError(400, "Max concurrency must be at least 1 and at most 10")
        if len(body["trigger"]["cron_schedule"]["cron"].split()) not in (5, 6):
            raise RefusedError(400, "Schedule cron is not a supported format")
        body["max_concurrency"] = str(body["max_concurrency"])
        enabled = body.get("mode") == "ENABLE"
        return self.set_mode(self.add(self.recurring, "recurring_run_id", body), enabled)

    def set_mode(self, recurring: dict[str, Any], enabled: bool) -> dict[str, Any]:
        recurring["mode"] = "ENABLE" if enabled else "DISABLE"
        recurring["status"] = "ENABLED" if enabled else "DISABLED"
        counts = Counter(one["display_name"] for one in self.enabled())
        self.most_enabled = max([self.most_enabled, *counts.values()])
        return recurring

    def switch(self, query: Any, body: Any, identity: str, mode: str) -> Any:
        recurring = self.get(self.recurring, "recurring_run_id", identity)
        self.need(False, recurring.get("namespace", ""))
        self.set_mode(recurring, mode == "enable")
        return {}

    def delete_recurring(self, query: dict[str, str], body: Any, identity: str) -> Any:
        recurring = self.get(self.recurring, "recurring_run_id", identity)
        self.need(False, recurring.get("namespace", ""))
        self.recurring.remove(recurring)
        self.propagation.append(query.get("propagation_policy", ""))
        return {}


def _check(value: Any, kind: str, where: str = "body") -> None:
    """Refuse fields and enumerated values that the API does not have."""
    if kind.startswith("list["):
        for item in value:
            _check(item, kind[5:-1], where)
    model = getattr(kfp_server_api, kind, None)
    allowed = getattr(model, "allowable_values", [value])
    if value not in allowed:
        raise RefusedError(400, f"{where} is none of {allowed}")
    for name, inner in getattr(model, "openapi_types", {}).items():
        if isinstance(value, dict) and model.attribute_map[name] in value:
            _check(value[model.attribute_map[name]], inner, f"{where}.{name}")
    fields = set(getattr(model, "attribute_map", {}).values())
    if isinstance(value, dict) and fields and (unknown := set(value) - fields):
        raise RefusedError(400, f"{where}: unknown fields {unknown}")


@functools.cache
def _parse(package: str) -> Any:
    return next(yaml.safe_load_all(package))


def _lister(name: str, key: str) -> Any:
    def act(fake: FakeServer, query: Any, body: Any) -> Any:
        return fake.page(fake.of_namespace(getattr(fake, name), query), key, query)

    return act


_ROUTES: list[tuple[str, str, Any]] = [
    ("/experiments", "GET", _lister("experiments", "experiments")),
    ("/experiments", "POST", FakeServer.create_experiment),
    ("/pipelines", "GET", _lister("pipelines", "pipelines")),
    ("/pipelines", "POST", FakeServer.create_pipeline),
    ("/pipelines/upload_version", "POST", FakeServer.upload_version),
    ("/pipelines/([^/]+)/versions", "GET", FakeServer.list_versions),
    ("/runs", "POST", FakeServer.create_run),
    ("/runs/([^/]+)", "GET", FakeServer.get_run),
    ("/recurringruns", "GET", _lister("recurring", "recurringRuns")),
    ("/recurringruns", "POST", FakeServer.create_recurring),
    ("/recurringruns/([^/:]+):(enable|disable)", "POST", FakeServer.switch),
    ("/recurringruns/([^/:]+)", "DELETE", FakeServer.delete_recurring),
]


class _Handler(BaseHTTPRequestHandler):
    fake: FakeServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _handle(self) -> None:
        path = urlparse(self.path).path
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = f"{self.command} {path}"
        with self.fake.lock:
            self.fake.calls.append(call)
            fault = self.fake.find_fault(call)
            try:
                status, answer = 200, self._answer(path, raw, fault)
            except RefusedError as error:
                status, answer = error.status, self._error(path, error)
        if self.fake.log_in:
            self._send(200, "<html>Log in</html>", "text/html; charset=utf-8")
        elif fault and not fault["status"]:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._send(status, json.dumps(answer), "application/json")

    def _answer(self, path: str, raw: bytes, fault: dict[str, Any] | None) -> Any:
        broken = RefusedError(fault["status"] or 500, "Internal error: it broke") if fault else None
        if broken and not fault["done"]:
            raise broken
        self.fake.user = self._user(path)
        query = {key: values[0] for key, values in parse_qs(urlparse(self.path).query).items()}
        answer = self.fake.answer(self.command, path, query, self._body(raw))
        if broken:
            raise broken
        return answer

    do_GET = do_POST = do_DELETE = _handle  # noqa: N815

    def _user(self, path: str) -> str:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        if self.fake.tokens and token not in self.fake.tokens and not path.endswith("/healthz"):
            raise RefusedError(401, "Request header error: there is no user identity in the token")
        return token

    def _body(self, raw: bytes) -> Any:
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            part = raw.split(b"\r\n\r\n", 1)[1]
            return part[: part.rindex(b"\r\n--", 0, -4)].decode()
        return json.loads(raw) if raw else None

    def _error(self, path: str, error: RefusedError) -> dict[str, Any]:
        if "/upload" in path:
            error.status = 400 if error.status in (401, 403, 404) else error.status
            return {"error_message": str(error), "error_details": f"{error}: details"}
        return {"code": _GRPC.get(error.status, 2), "message": str(error), "details": []}

    def _send(self, status: int, text: str, kind: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    """Each pipeline is compiled once for all tests; it takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "compile_pipeline", functools.cache(job.compile_pipeline))
        yield


@pytest.fixture
def kfp_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeServer]:
    for name in [name for name in os.environ if name.startswith(("KF_PIPELINES_", "KFP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("kfp.Client._LOCAL_KFP_CONTEXT", str(tmp_path / "context.json"))
    fake = FakeServer()
    thread = threading.Thread(target=fake.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield fake
    fake.http.shutdown()
    fake.http.server_close()
    thread.join()


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The demo's recipe, as a file of one's own with another name."""
    demo = Path(__file__).parents[3] / "recipes" / "demo.yaml"
    path = tmp_path / "mine.yaml"
    path.write_text(re.sub("(?m)^name: .*$", "name: mine", demo.read_text()))
    return path


@pytest.fixture
def published(recipe: Path) -> Path:
    """The same, with a registry in which its model has versions."""
    registry = "publish: {registry: 'https://git.example.com/models.git'}"
    text = re.sub("(?m)^publish: .*$", registry, recipe.read_text())
    assert registry in text
    recipe.write_text(text)
    return recipe
