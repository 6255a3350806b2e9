"""A cluster with KServe, and what it serves."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from servers.chat import KEY, ChatServer
from servers.kserve import KServe
from servers.kube import KubeServer

from z1.engines import client
from z1.recipe import Deployment, ThinkingWindow
from z1.serving import attempt
from z1.serving import cluster as cluster_module
from z1.serving.cluster import Cluster, connect
from z1.serving.published import make_published
from z1.serving.rollout import Outcome, deploy, roll_back


@dataclass
class World:
    """All that a roll-out meets."""

    kube: KubeServer
    kserve: KServe
    chat: ChatServer
    section: Deployment

    @property
    def cluster(self) -> Cluster:
        return Cluster(connect(server=self.kube.url), "z1")

    def deploy(self, version: str, said: list[str] | None = None, **settings: Any) -> Outcome:
        published = make_published("tops", version, f"s3://models/tops/{version}", 10**9)
        section = self.section.model_copy(update=settings)
        say = (said if said is not None else []).append
        return deploy(self.cluster, published, section, ThinkingWindow(), say)

    def roll_back(self) -> Outcome:
        return roll_back(self.cluster, "tops", self.chat.url)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    # Each client reads all of the world's certificates, which takes longer than a whole roll-out.
    monkeypatch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
    monkeypatch.setattr(client, "RETRIES", 0)
    monkeypatch.setattr(cluster_module, "PATIENCE", 10.0)
    monkeypatch.setattr(cluster_module, "LOOK", 1.0)
    monkeypatch.setattr(attempt, "MINUTE", 0.6)
    kube, chat = KubeServer(), ChatServer()
    kserve = KServe(kube)

    def answering(service: str) -> str:
        """Return whose pods answer at the service's own address: those with most requests."""
        shares = kserve.serving(service)
        return f"{service}-{max(shares, key=shares.__getitem__)}-predictor" if shares else service

    chat.find = answering
    section = Deployment(url=chat.url, ready_minutes=60, canary=[10, 50], step_seconds=0)
    yield World(kube, kserve, chat, section)
    kserve.stop()
    chat.stop()
    kube.stop()
