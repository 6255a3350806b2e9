"""Talking to an S3 server: where it is, what its errors mean, and waiting for one that is gone.

Endpoint, region and credentials come from the usual AWS environment, files and profiles, such as
``AWS_ENDPOINT_URL``, ``AWS_REGION``, ``AWS_ACCESS_KEY_ID`` and ``AWS_PROFILE``.
"""

import copy
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
)

import z1
from z1.errors import InputError
from z1.versioning.manifest import SUFFIX

CONNECTIONS = 16  # a part in memory for each
PATIENCE = 60.0  # seconds for which a server may be gone
_LONGEST_PAUSE = 5.0
_ASK_FIRST_BYTES = 2**20
_PASSING = {
    "429",
    "BadDigest",  # damaged on the way
    "RequestTimeout",
    "RequestTimeTooSkewed",
    "SlowDown",
    "XAmzContentChecksumMismatch",
}
_REFUSED = {
    "403",
    "AccessDenied",
    "ExpiredToken",
    "Forbidden",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
# What callers make sense of themselves.
GONE = {"404", "NoSuchKey", "NotFound"}
OUTRUN = {
    "409",
    "412",
    "ConditionalRequestConflict",
    "InvalidPart",
    "NoSuchUpload",
    "PreconditionFailed",
}
SHORT = {"416", "InvalidRange"}

Result = TypeVar("Result")


class Address(NamedTuple):
    """Where a file or folder is in S3."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def manifest(self) -> str:
        """Key of the manifest, which lies beside a folder, so that the folder is only itself."""
        return f"{self.key}{SUFFIX}"

    def key_of(self, path: str) -> str:
        """Return the key of a file within the folder, or of the file itself if ``path`` is ""."""
        return f"{self.key}/{path}" if path else self.key


def parse_address(address: str) -> Address:
    """Take ``s3://BUCKET/PATH`` apart; raises InputError if it is none."""
    scheme, _, rest = address.partition("://")
    bucket, _, key = rest.partition("/")
    key = key.removesuffix("/")
    if scheme != "s3" or not bucket or not key or not all(key.split("/")):
        raise InputError(f"{address!r} is no address of the form s3://BUCKET/PATH")
    return Address(bucket, key)


class StoppedError(Exception):
    """Somebody else wants no more of what is being done."""


class Connection:
    """A client of the S3 server, for one address and any number of threads.

    Once ``stop`` is set every further request raises StoppedError.
    """

    def __init__(self, place: Address, stop: threading.Event | None = None) -> None:
        self.place = place
        self._stop = stop or threading.Event()
        try:
            self._client: Any = boto3.session.Session().client(
                "s3",
                # Every part goes and comes with its own SHA-256, and what goes with it signed; a
                # second checksum and a signature of the content itself would only cost time.
                config=Config(
                    s3={"payload_signing_enabled": False},
                    connect_timeout=10,
                    max_pool_connections=CONNECTIONS,
                    response_checksum_validation="when_required",
                    retries={"mode": "standard", "total_max_attempts": 1},  # see _patiently
                    user_agent=f"z1/{z1.__version__}",  # or boto3 makes one up for each request
                ),
            )
            self._client.meta.events.register_last("before-call.s3", _send_small_at_once)
        except (BotoCoreError, ValueError) as error:
            said = str(error).removesuffix(".")
            raise InputError(f"S3: {said}. Correct the AWS environment or profile") from error
        self._server = str(self._client.meta.endpoint_url)
        self._told = threading.Event()  # that it is gone

    def at(self, path: str) -> "Connection":
        """Return the same connection for a file or folder within this one's address."""
        other = copy.copy(self)
        other.place = Address(self.place.bucket, self.place.key_of(path))
        return other

    def ask(self, operation: str, key: str, **fields: Any) -> dict[str, Any]:
        """Do one of S3's operations on a key of the bucket and return the answer.

        If the server is gone or ill, wait for it. Raises InputError if it stays so for PATIENCE
        seconds or refuses, but ClientError where the code is in GONE, OUTRUN or SHORT.
        """
        request = getattr(self._client, operation)
        return self._patiently(lambda: request(Bucket=self.place.bucket, Key=key, **fields))

    def read(
        self, key: str, take: Callable[[Any], Result], **fields: Any
    ) -> tuple[Result, dict[str, Any]]:
        """Return what ``take`` makes of the content of an object, and the answer it came with.

        ``take`` starts anew if the connection breaks. Raises as ``ask`` does.
        """

        def request() -> tuple[Result, dict[str, Any]]:
            answer = self._client.get_object(Bucket=self.place.bucket, Key=key, **fields)
            return take(answer["Body"]), answer

        return self._patiently(request)

    def list(self, operation: str, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Return all of a kind that a listing operation finds. Raises as ``ask`` does."""
        pages = self._client.get_paginator(operation)
        return self._patiently(
            lambda: [
                found
                for page in pages.paginate(Bucket=self.place.bucket, **fields)
                for found in page.get(kind, [])
            ]
        )

    def _patiently(self, request: Callable[[], Result]) -> Result:
        started = pause = 0.0
        while True:
            if self._stop.is_set():
                raise StoppedError
            try:
                return request()
            except (NoCredentialsError, PartialCredentialsError) as error:
                raise InputError(
                    f"{self.place}: no credentials; set AWS_ACCESS_KEY_ID and "
                    "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
                ) from error
            except ClientError as error:
                if not _may_pass(error):
                    raise self._explain(error) from error
                problem: Exception = error
            except (ConnectionError, HTTPClientError, IncompleteReadError) as error:
                if isinstance(error, SSLError):  # will not pass
                    raise InputError(f"{self.place}: {error}") from error
                problem = error
            except BotoCoreError as error:
                raise InputError(f"{self.place}: {error}") from error
            now = time.monotonic()
            started = started or now
            if now - started >= PATIENCE:
                raise InputError(
                    f"{self.place}: {self._server} cannot be reached or does not work ({problem}). "
                    "What is done stays; run again to go on"
                ) from problem
            if pause and not self._told.is_set():  # once is nothing to tell of
                self._told.set()
                print(f"{self._server}: waiting for it to answer", file=sys.stderr)
            pause = min(2 * pause or 0.25, _LONGEST_PAUSE)
            self._stop.wait(pause)

    def _explain(self, error: ClientError) -> Exception:
        code = code_of(error)
        if code in GONE | OUTRUN | SHORT:
            return cast(Exception, error)
        if code == "NoSuchBucket":
            return InputError(
                f"{self.place}: there is no bucket {self.place.bucket} at {self._server}; "
                "make it or correct the address"
            )
        if code in _REFUSED:
            return InputError(
                f"{self.place}: {self._server} refuses access ({code}); check the credentials that "
                "AWS_ACCESS_KEY_ID or AWS_PROFILE names, and what they may do there"
            )
        return InputError(f"{self.place}: {self._server} says: {error}")


def _send_small_at_once(params: dict[str, Any], **_: Any) -> None:
    """Let boto3 not ask first whether content may come, where asking takes as long as sending."""
    if "Expect" in params["headers"] and len(params["body"].getbuffer()) < _ASK_FIRST_BYTES:
        del params["headers"]["Expect"]


def whole(body: Any) -> bytes:
    """Return all of an object's content, for ``Connection.read``."""
    return bytes(body.read())


def code_of(error: ClientError) -> str:
    """Return S3's word for an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _may_pass(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return (status >= 500 and status != 501) or code_of(error) in _PASSING
