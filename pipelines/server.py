"""The API server of Kubeflow Pipelines, spoken to through kfp's own client.

The client finds the server and proves who is asking. Answers are read as plain JSON, because the
client's own models refuse what a newer server adds, and take a log-in page for an empty answer.
"""

import io
import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import kfp
from kfp.client.set_volume_credentials import ServiceAccountTokenVolumeCredentials
from kfp_server_api import ApiException
from urllib3.exceptions import HTTPError

from z1.errors import InputError

_TIMEOUT = (10, 60)  # seconds to connect, and to wait for an answer; kfp's client would for ever
_PAGE = 100
_LONGEST_MESSAGE = 500


class ServerError(InputError):
    """The server refused something, failed, or gave no answer; ``status`` is 0 for the last."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Server(NamedTuple):
    """A server that answers."""

    client: Any
    """kfp's client, with its generated calls under ``runs``, ``pipelines`` and so on."""
    host: str
    """Where its API is, for messages."""
    page: str
    """Where its pages are."""
    namespace: str | None
    """Whose experiments and runs; None on a server that has one user."""


class _Client(kfp.Client):  # type: ignore[misc]  # kfp has no types
    """kfp's client, which asks once whether the server is there, instead of for half a minute."""

    def get_kfp_healthz(self, sleep_duration: int = 0) -> Any:
        return self._healthz_api.healthz_service_get_healthz(_request_timeout=_TIMEOUT)

    @property
    def host(self) -> str:
        """Where the API is, whoever said so."""
        return str(self._existing_config.host)


def connect(
    host: str | None = None,
    namespace: str | None = None,
    token: str | None = None,
    token_file: Path | None = None,
) -> Server:
    """Return the server at an address, or where kfp's environment or the kubeconfig say.

    The token file is read again before each request, so that a token may be renewed there.
    Raises InputError if there is no server or it knows neither token nor namespace.
    """
    if token and token_file:
        raise InputError("there are both a token and a token file; give one of them")
    credentials = None
    if token_file:
        _check_token_file(token_file)
        credentials = ServiceAccountTokenVolumeCredentials(str(token_file))
    given = host or os.environ.get("KF_PIPELINES_ENDPOINT")
    where = given or "the kubeconfig's cluster"
    printed = io.StringIO()

    def make() -> Any:
        with warnings.catch_warnings(), redirect_stdout(printed):
            warnings.simplefilter("ignore")  # kfp's, on versions long past
            return _Client(
                host=host,
                namespace=namespace or "kubeflow",
                existing_token=token,
                credentials=credentials,
            )

    try:
        client = _explained(where, make)
        # Reached through the kubeconfig, its pages are the cluster's dashboard, wherever that is.
        page = os.environ.get("KF_PIPELINES_UI_ENDPOINT") or (client.host if given else "/pipeline")
        server = Server(client, client.host, page.rstrip("/"), None)
        health = ask(server, client.healthzs.healthz_service_get_healthz)
    except ServerError as error:
        if printed.getvalue():  # kfp found no kubeconfig, and tried this machine
            raise InputError(
                "no server of Kubeflow Pipelines is named: give its address with --host or in "
                "KFP_ENDPOINT"
            ) from error
        if error.status != 404:
            raise
        raise ServerError(
            f"{where} is not Kubeflow Pipelines: it has no /apis/v2beta1/healthz; give the "
            "address before /apis, such as https://kubeflow.example.com/pipeline",
            404,
        ) from error
    if not health.get("multi_user"):
        return server
    whose = namespace or client.get_user_namespace()
    if not whose:
        raise InputError(f"{server.host} has many users; say in whose --namespace")
    return server._replace(namespace=whose)


def ask(server: Server, call: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """Make one of kfp's generated calls and return what the server answers.

    Raises ServerError.
    """

    def make() -> Any:
        answer = call(**arguments, _request_timeout=_TIMEOUT, _preload_content=False)
        return answer.headers.get("Content-Type", ""), answer.data

    kind, body = _explained(server.host, make, server.namespace)
    try:
        answer = json.loads(body or b"{}")
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        what = "a web page, perhaps to log in" if "html" in kind else "no JSON"
        raise ServerError(
            f"{server.host} answered with {what}: give the address of Kubeflow Pipelines' API, and "
            "a token with --token-file",
            401,
        )
    return answer


def list_all(
    server: Server, call: Callable[..., Any], key: str, **arguments: Any
) -> Iterator[dict[str, Any]]:
    """Yield what is under ``key`` on every page of a list. Raises ServerError."""
    token = ""
    while True:
        answer = ask(server, call, page_token=token, page_size=_PAGE, **arguments)
        yield from answer.get(key) or []
        token = answer.get("next_page_token") or ""
        if not token:
            return


def named(name: str) -> str:
    """Return the filter of a list for a displayed name."""
    predicate = {"operation": "EQUALS", "key": "display_name", "string_value": name}
    return json.dumps({"predicates": [predicate]})


def _check_token_file(path: Path) -> None:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the token cannot be read: {error}") from error
    if not text:
        raise InputError(f"{path}: there is no token in it")


def _explained(where: str, make: Callable[[], Any], namespace: str | None = None) -> Any:
    """Return what ``make`` does, or raise what went wrong as a ServerError."""
    try:
        return make()
    except ApiException as error:
        message = _explain(where, error, namespace)
        raise ServerError(message, error.status or 0) from error
    except (HTTPError, OSError) as error:
        raise ServerError(
            f"{where} gives no answer: see whether the address (--host) is right and the server "
            f"up ({_shorten(_innermost(error))})"
        ) from error


def _explain(where: str, error: ApiException, namespace: str | None) -> str:
    said = _said(error)
    if error.status == 401:
        return (
            f"{where} does not know who is asking: the token is missing or has expired; give a "
            f"new one with --token-file ({said})"
        )
    if error.status == 403:
        place = f" in namespace {namespace}" if namespace else ""
        return f"{where} does not allow you to do this{place}; ask for the right to ({said})"
    if error.status == 404:
        return f"{where} does not have this: {said}"
    if error.status == 409:
        return f"{where} has this already: {said}"
    if error.status and error.status < 500:
        return f"{where} refuses this: {said}"
    return f"{where} failed ({error.status or 'TLS'}); try again, or see its log ({said})"


def _said(error: ApiException) -> str:
    """Return what the server itself said: gRPC's gateway and the upload each have a key for it."""
    try:
        body = json.loads(error.body or "")
        said = body.get("message") or body.get("error_message") or body.get("error")
    except (ValueError, AttributeError):
        said = None
    return _shorten(str(said or error.reason or "it said nothing"))


def _innermost(error: BaseException) -> str:
    """Return the cause under urllib3's wrappings, which repeat the address."""
    reason = getattr(error, "reason", None)
    return _innermost(reason) if isinstance(reason, BaseException) else str(error)


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]} ..."
