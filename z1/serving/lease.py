"""One roll-out of a service at a time: who rolls out holds the service's Lease and renews it.

A holder that was killed renews it no more, and another may take it. Machines' clocks differ, so
whether a Lease is renewed is seen by looking on, as Kubernetes' own leader election does.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from z1.errors import InputError, RolloutError
from z1.serving.cluster import Cluster
from z1.serving.manifests import Manifest, labels

LASTS = 60.0  # seconds without renewal, after which a holder is taken for dead
RENEWED = 15.0  # seconds between renewals
_LOOK = 1.0  # seconds between looks at another's


class LostLeaseError(RolloutError):
    """Another roll-out has taken over; what is served is its business now."""


class UnderWayError(InputError):
    """Another roll-out of the service is under way."""


class _Lease:
    """The Lease of a service, for one who rolls out."""

    def __init__(self, cluster: Cluster, service: str) -> None:
        self.cluster = cluster
        self.service = service
        self.me = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._renewed = 0.0
        self._lost = False
        self._one = threading.Lock()

    def take(self, say: Callable[[str], None]) -> None:
        """Become the holder. Raises UnderWayError if another is one, and alive."""
        seen = ""
        since = 0.0
        while True:
            live = self.cluster.get("Lease", self._name)
            holder = live["spec"].get("holderIdentity") if live else None
            if live and holder and holder != self.me:
                version = live["metadata"]["resourceVersion"]
                if not seen:
                    say(f"{self.service}: {holder} is rolling out; is it alive?")
                    seen, since = version, time.monotonic()
                if version != seen:
                    raise UnderWayError(
                        f"{self.service}: a roll-out is under way, by {holder}; wait for its end"
                    )
                if time.monotonic() - since < LASTS:
                    time.sleep(_LOOK)
                    continue
                say(f"{self.service}: {holder} has stopped; going on in its place")
            if self._write(live):
                return

    def renew(self, patience: float | None = None) -> None:
        """Say that this roll-out is alive. Raises LostLeaseError if another has taken over."""
        with self._one:
            for _ in range(2):  # again where the answer to the first was lost
                live = self.cluster.get("Lease", self._name, patience)
                holder = live["spec"].get("holderIdentity") if live else None
                if holder == self.me and self._write(live, patience):
                    return
            self._lost = True
            raise LostLeaseError(
                f"{self.service}: {holder or 'another'} has taken over this roll-out, which gave "
                "no sign of life for a while"
            )

    def check(self) -> None:
        """Before each change: go on only as the holder. Raises as ``renew`` does."""
        if self._lost or time.monotonic() - self._renewed > LASTS:
            self.renew()

    def release(self) -> None:
        """Let the next begin at once; a Lease that cannot be released runs out."""
        with self._one:
            live = self.cluster.get("Lease", self._name, 0.0)
            if live and live["spec"].get("holderIdentity") == self.me:
                self._write(live, 0.0, free=True)

    def _write(
        self, live: Manifest | None, patience: float | None = None, free: bool = False
    ) -> bool:
        """Write the Lease in the place of what was read; tell whether that was still there."""
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        spec = {"leaseDurationSeconds": int(LASTS), "renewTime": now}
        metadata: Manifest = {"name": self._name, "labels": labels(self.service)}
        if live:
            metadata["resourceVersion"] = live["metadata"]["resourceVersion"]
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": spec if free else {**spec, "holderIdentity": self.me},
        }
        started = time.monotonic()
        written = self.cluster.write(lease, patience)
        if written:
            self._renewed = started
        return written

    @property
    def _name(self) -> str:
        return f"{self.service}-rollout"


@contextmanager
def hold(cluster: Cluster, service: str, say: Callable[[str], None]) -> Iterator[None]:
    """Keep other roll-outs of a service away, and change nothing after one has taken over.

    Raises InputError if another is under way; one that has died is succeeded after LASTS seconds.
    """
    lease = _Lease(cluster, service)
    lease.take(say)
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(RENEWED):
            try:
                lease.renew(patience=0.0)
            except LostLeaseError:
                return
            except (RolloutError, InputError):
                continue  # the server is gone; the next change waits for it

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    cluster.guard = lease.check
    try:
        yield
    finally:
        cluster.guard = None
        ended.set()
        try:
            lease.release()
        except (RolloutError, InputError) as error:
            say(f"{service}: another roll-out can begin in {LASTS:.0f} seconds: {error}")
