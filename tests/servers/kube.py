"""A small Kubernetes API server for tests: what the real one does, for the calls that z1 makes.

Written from the Kubernetes documentation:

- "Server-Side Apply": a manager owns the fields it applied; applying another value to a field that
  somebody else owns is a conflict (409, a cause for each field) unless ``force``; a field that a
  manager applied before and leaves out now is removed unless others own it too; applying the same
  again changes nothing, the resourceVersion included. Lists count as one value here, which for a
  list that one manager writes is the same as the merging of lists by keys.
- "Kubernetes API Concepts": a resourceVersion grows with every change; watches start after one,
  with 410 Gone as an ERROR event where it is too old, and end after timeoutSeconds; Status objects
  for errors; field and label selectors; ``fieldValidation=Strict`` refuses unknown fields (400);
  creating what is there, or replacing what has another resourceVersion by now, is 409.
- "Custom Resources" and the API conventions: metadata.generation grows with changes of the spec
  alone, and status is written through its subresource, here by ``set_status``; values that do not
  fit the schema are 422 with a cause each (``servers.schema``; minimal rules without definitions).
- "Admission webhooks": a refusal is 403 with the webhook's name in its message.
"""

import copy
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from servers.schema import Problem, find_problems, load_schemas

Object = dict[str, Any]
Path = tuple[str, ...]

_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+/[^/]+))/namespaces/(?P<namespace>[^/]+)"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?"
)
KINDS = {
    "inferenceservices": "InferenceService",
    "servingruntimes": "ServingRuntime",
    "poddisruptionbudgets": "PodDisruptionBudget",
    "deployments": "Deployment",
    "services": "Service",
    "pods": "Pod",
    "events": "Event",
    "configmaps": "ConfigMap",
    "leases": "Lease",
    "trainjobs": "TrainJob",
}
_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class Call(NamedTuple):
    """A request that came."""

    method: str
    plural: str
    name: str | None
    query: dict[str, str]


class RefusedError(Exception):
    """An error to be answered."""

    def __init__(self, code: int, message: str, causes: list[Problem] | None = None) -> None:
        super().__init__(message)
        self.code, self.causes = code, causes or []

    def status(self) -> Object:
        causes = [{"field": c.field, "message": c.message} for c in self.causes]
        return {
            "apiVersion": "v1",
            "kind": "Status",
            "status": "Failure",
            "code": self.code,
            "reason": _REASONS.get(self.code, "Unknown"),
            "message": str(self),
            "details": {"causes": causes},
        }


class KubeServer:
    """The server, its objects, and what tests may do to it."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.owned: dict[tuple[str, str, str], dict[str, set[Path]]] = {}
        self.version = 100
        self.changes: list[tuple[int, str, str, Object]] = []
        self.logs: dict[tuple[str, bool], str] = {}
        self.calls: list[Call] = []
        self.meddle: Callable[[Call], int | str | None] = lambda call: None
        """Told of each request first; returns an error's code, or ``drop`` to break the
        connection as a server that is gone does."""
        self.webhooks: list[Callable[[Object, Object | None], None]] = []
        """Admission: called with an object and the one before; raises RefusedError."""
        self.schemas = load_schemas()
        self.oldest = 0
        """Watches from versions before this one are told 410."""
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def writes(self) -> list[Call]:
        return [call for call in self.calls if call.method != "GET"]

    # What the test and its controller do, past HTTP.

    def find(self, plural: str, name: str, namespace: str = "z1") -> Object | None:
        with self.changed:
            return copy.deepcopy(self.objects.get((plural, namespace, name)))

    def put(self, plural: str, thing: Object, namespace: str = "z1") -> None:
        """Write an object as its controller does; generation grows with its spec."""
        with self.changed:
            key = (plural, namespace, thing["metadata"]["name"])
            before = self.objects.get(key)
            now = copy.deepcopy(thing)
            self._store(key, now, before)

    def set_status(self, plural: str, name: str, status: Object, namespace: str = "z1") -> None:
        with self.changed:
            key = (plural, namespace, name)
            if key in self.objects and self.objects[key].get("status") != status:
                self._store(key, {**self.objects[key], "status": status}, self.objects[key])

    def edit(self, manager: str, plural: str, name: str, path: Path, value: Any) -> None:
        """Change one field as a person with another tool does, who then owns it."""
        with self.changed:
            key = (plural, "z1", name)
            now = copy.deepcopy(self.objects[key])
            _set(now, path, value)
            for owner, fields in self.owned.setdefault(key, {}).items():
                if owner != manager:
                    fields.discard(path)
            self.owned[key].setdefault(manager, set()).add(path)
            self._store(key, now, self.objects[key])

    def remove(self, plural: str, name: str, namespace: str = "z1") -> bool:
        with self.changed:
            thing = self.objects.pop((plural, namespace, name), None)
            if thing is None:
                return False
            self.owned.pop((plural, namespace, name), None)
            self.version += 1
            thing["metadata"]["resourceVersion"] = str(self.version)
            self.changes.append((self.version, "DELETED", plural, thing))
            self.changed.notify_all()
            return True

    def _store(self, key: tuple[str, str, str], now: Object, before: Object | None) -> None:
        metadata = now.setdefault("metadata", {})
        old = (before or {}).get("metadata", {})
        generation = old.get("generation", 0)
        if before is None or before.get("spec") != now.get("spec"):
            generation += 1
        metadata |= {"namespace": key[1], "name": key[2], "generation": generation}
        metadata["uid"] = old.get("uid", f"uid-{self.version}")
        metadata["managedFields"] = _managed(self.owned.get(key, {}))
        metadata["resourceVersion"] = old.get("resourceVersion")
        if before == now:
            return
        self.version += 1
        metadata["resourceVersion"] = str(self.version)
        self.objects[key] = now
        kind = "MODIFIED" if before else "ADDED"
        self.changes.append((self.version, kind, key[0], copy.deepcopy(now)))
        self.changed.notify_all()

    # What comes over HTTP.

    def apply(self, key: tuple[str, str, str], body: Object, query: dict[str, str]) -> Object:
        """Apply server-side."""
        if "fieldManager" not in query:
            raise RefusedError(
                400, "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value"
            )
        self._check(body, query)
        with self.changed:
            before = self.objects.get(key)
            owners = copy.deepcopy(self.owned.get(key, {}))
            now = (
                copy.deepcopy(before)
                if before
                else {name: body[name] for name in ("apiVersion", "kind")}
                | {"metadata": {"name": key[2]}}
            )
            wanted = dict(_leaves(body))
            manager = query["fieldManager"]
            clashes = [
                (other, path)
                for path, value in wanted.items()
                for other, theirs in owners.items()
                if other != manager
                and any(_overlap(path, one) for one in theirs)
                and _get(now, path) != value
            ]
            if clashes and query.get("force") != "true":
                raise RefusedError(
                    409,
                    f"Apply failed with {len(clashes)} conflict(s)",
                    [Problem("." + ".".join(p), f'conflict with "{o}"') for o, p in clashes],
                )
            for other, path in clashes:
                owners[other] = {one for one in owners[other] if not _overlap(path, one)}
            kept = set().union(*(paths for name, paths in owners.items() if name != manager))
            for path in sorted(owners.get(manager, set()) - set(wanted)):
                if path not in kept:
                    _drop(now, path)
            for path, value in wanted.items():
                _set(now, path, copy.deepcopy(value))
            for webhook in self.webhooks:
                webhook(now, before)
            owners[manager] = set(wanted)
            self.owned[key] = owners
            self._store(key, now, before)
            return copy.deepcopy(self.objects[key])

    def create(self, key: tuple[str, str, str], body: Object) -> Object:
        with self.changed:
            if key in self.objects:
                raise RefusedError(409, f'{key[0]} "{key[2]}" already exists')
            self._store(key, copy.deepcopy(body), None)
            return copy.deepcopy(self.objects[key])

    def replace(self, key: tuple[str, str, str], body: Object) -> Object:
        with self.changed:
            before = self.objects.get(key)
            if before is None:
                raise RefusedError(404, f'{key[0]} "{key[2]}" not found')
            if body["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]:
                raise RefusedError(409, f'{key[0]} "{key[2]}": the object has been modified')
            self._store(key, copy.deepcopy(body), before)
            return copy.deepcopy(self.objects[key])

    def _check(self, body: Object, query: dict[str, str]) -> None:
        schema = self.schemas.get((body["apiVersion"], body["kind"]))
        found = list(find_problems(schema, body)) if schema else list(_minimal(body))
        unknown = [problem for problem in found if problem.unknown]
        if unknown and query.get("fieldValidation") == "Strict":
            fields = ", ".join(f'unknown field "{problem.field}"' for problem in unknown)
            raise RefusedError(400, f"strict decoding error: {fields}", unknown)
        wrong = [problem for problem in found if not problem.unknown]
        if wrong:
            told = "; ".join(f"{problem.field}: {problem.message}" for problem in wrong)
            name = body["metadata"]["name"]
            raise RefusedError(422, f'{body["kind"]} "{name}" is invalid: {told}', wrong)

    def list(self, plural: str, namespace: str, query: dict[str, str]) -> Object:
        with self.changed:
            items = [
                copy.deepcopy(thing)
                for (kind, place, _), thing in sorted(self.objects.items())
                if (kind, place) == (plural, namespace) and _selected(thing, query)
            ]
            return {
                "kind": f"{KINDS[plural]}List",
                "metadata": {"resourceVersion": str(self.version)},
                "items": items,
            }

    def watch(self, plural: str, namespace: str, query: dict[str, str]) -> Iterator[Object]:
        """Yield events until the time is over."""
        end = time.monotonic() + float(query.get("timeoutSeconds", 60))
        seen = int(query.get("resourceVersion") or 0)
        if seen and seen < self.oldest:
            yield {
                "type": "ERROR",
                "object": RefusedError(410, f"too old version: {seen}").status(),
            }
            return
        if not seen:
            found = self.list(plural, namespace, query)
            seen = int(found["metadata"]["resourceVersion"])
            yield from ({"type": "ADDED", "object": item} for item in found["items"])
        while time.monotonic() < end:
            with self.changed:
                fresh = [change for change in self.changes if change[0] > seen]
                if not fresh:
                    self.changed.wait(min(0.2, max(end - time.monotonic(), 0.01)))
            for version, kind, of, thing in fresh:
                seen = version
                if of == plural and _selected(thing, query):
                    yield {"type": kind, "object": thing}


def _minimal(body: Object) -> Iterator[Problem]:
    """Yield what is wrong with an object by the few rules known without definitions."""
    spec = body.get("spec", {})
    if body["kind"] == "InferenceService":
        if "predictor" not in spec:
            yield Problem("spec.predictor", "Required value")
        if not isinstance(spec.get("predictor", {}).get("minReplicas", 1), int):
            yield Problem("spec.predictor.minReplicas", "must be of type integer")
        for number, trial in enumerate(spec.get("canary", [])):
            if not isinstance(trial.get("trafficPercent"), int):
                yield Problem(f"spec.canary[{number}].trafficPercent", "Required value")
            if "name" not in trial["predictor"].get("model", {"name": ""}):
                yield Problem(f"spec.canary[{number}].predictor.model.name", "Required value")
    if body["kind"] == "ServingRuntime" and not spec.get("containers"):
        yield Problem("spec.containers", "Required value")


def _handler(server: KubeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            pass

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            matched = _PATH.fullmatch(parts.path)
            call = Call(
                self.command,
                matched["plural"] if matched else parts.path,
                matched["name"] if matched else None,
                query,
            )
            with server.changed:
                server.calls.append(call)
            told = server.meddle(call)
            if told == "drop":
                self.close_connection = True
                return
            try:
                if isinstance(told, int):
                    raise RefusedError(told, f"made to fail with {told}")
                if not matched or matched["plural"] not in KINDS:
                    raise RefusedError(404, "the server could not find the requested resource")
                self._answer(matched, query, body)
            except RefusedError as refusal:
                self._send(refusal.code, refusal.status())

        def _answer(self, matched: re.Match[str], query: dict[str, str], body: Any) -> None:
            plural, namespace, name = matched["plural"], matched["namespace"], matched["name"]
            key = (plural, namespace, name)
            kind = self.headers.get("Content-Type", "")
            if matched["sub"] == "log":
                text = server.logs.get((name, query.get("previous") == "True"), "")
                self._send(200, text)
            elif self.command == "GET" and name is None and query.get("watch") == "True":
                self._stream(server.watch(plural, namespace, query))
            elif self.command == "GET" and name is None:
                self._send(200, server.list(plural, namespace, query))
            elif self.command == "GET":
                if (thing := server.find(plural, name, namespace)) is None:
                    raise RefusedError(404, f'{plural} "{name}" not found')
                self._send(200, thing)
            elif self.command == "PATCH" and kind == "application/apply-patch+yaml":
                self._send(200, server.apply(key, body, query))
            elif self.command == "POST" and name is None:
                made = (plural, namespace, body["metadata"]["name"])
                self._send(201, server.create(made, body))
            elif self.command == "PUT" and name:
                self._send(200, server.replace(key, body))
            elif self.command == "DELETE":
                if not server.remove(plural, name, namespace):
                    raise RefusedError(404, f'{plural} "{name}" not found')
                self._send(200, {"kind": "Status", "status": "Success"})
            else:
                raise RefusedError(405, f"{self.command} {kind} is not supported here")

        def _send(self, code: int, content: Any) -> None:
            data = (content if isinstance(content, str) else json.dumps(content)).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, events: Iterator[Object]) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for event in events:
                    data = json.dumps(event).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                self.close_connection = True

        do_GET = do_PATCH = do_DELETE = do_PUT = do_POST = _serve  # noqa: N815

    return Handler


def _leaves(thing: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the fields of an applied object that a manager owns, with their values."""
    if path in (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")):
        return
    if isinstance(thing, dict) and thing:
        for name, value in thing.items():
            yield from _leaves(value, (*path, name))
    elif path:
        yield path, thing


def _overlap(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _get(thing: Any, path: Path) -> Any:
    for name in path:
        if not isinstance(thing, dict) or name not in thing:
            return None
        thing = thing[name]
    return thing


def _set(thing: Any, path: Path, value: Any) -> None:
    for name in path[:-1]:
        if not isinstance(thing.get(name), dict):
            thing[name] = {}
        thing = thing[name]
    thing[path[-1]] = value


def _drop(thing: Any, path: Path) -> None:
    if len(path) == 1:
        thing.pop(path[0], None)
    elif isinstance(thing.get(path[0]), dict):
        _drop(thing[path[0]], path[1:])
        if not thing[path[0]]:
            del thing[path[0]]


def _managed(owners: dict[str, set[Path]]) -> list[Object]:
    def nest(paths: set[Path]) -> Object:
        nested: Object = {}
        for path in sorted(paths):
            place = nested
            for name in path:
                place = place.setdefault(f"f:{name}", {})
        return nested

    return [
        {"manager": name, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": nest(paths)}
        for name, paths in sorted(owners.items())
    ]


def _selected(thing: Object, query: dict[str, str]) -> bool:
    labels = thing["metadata"].get("labels", {})
    for pair in filter(None, query.get("labelSelector", "").split(",")):
        name, _, value = pair.partition("=")
        if labels.get(name) != value:
            return False
    for pair in filter(None, query.get("fieldSelector", "").split(",")):
        name, _, value = pair.partition("=")
        if _get(thing, tuple(name.split("."))) != value:
            return False
    return True
