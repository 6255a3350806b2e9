"""What `z1 deploy` makes, by the recipe's defaults, fits what is set up for it here."""

from typing import Any

import pytest

from z1.recipe import Deployment, ThinkingWindow
from z1.serving import manifests


@pytest.fixture(scope="module")
def section() -> Any:
    return Deployment()


@pytest.fixture(scope="module")
def runtime(section) -> dict[str, Any]:
    return manifests.make_runtime(section, ThinkingWindow(), "z1-demo", None)


@pytest.fixture(scope="module")
def predictor(section, runtime) -> dict[str, Any]:
    from z1.serving.published import make_published

    published = make_published("z1-demo", "v1", "s3://z1-models/z1-demo")
    return manifests.make_release(section, published, "z1-demo", runtime).predictor


def named(objects: list[dict[str, Any]], kind: str) -> set[str]:
    return {o["metadata"]["name"] for o in objects if o["kind"] == kind}


def test_accounts_secrets_and_namespace_of_the_defaults_are_there(render, section):
    objects = render("overlays/cloud")
    assert section.namespace in named(objects, "Namespace")
    assert section.service_account in named(objects, "ServiceAccount")
    assert section.api_key_secret in named(objects, "Secret")


def test_prometheus_finds_the_predictors(render, runtime, predictor):
    [monitor] = [o for o in render("overlays/cloud") if o["kind"] == "PodMonitor"]
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= predictor["labels"].items()
    ports = {port["name"] for port in runtime["spec"]["containers"][0]["ports"]}
    assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} <= ports


def test_requests_may_go_to_the_port_that_predictors_listen_at(render, runtime):
    [policy] = [
        o
        for o in render("overlays/cloud")
        if (o["kind"], o["metadata"]["name"]) == ("NetworkPolicy", "z1-serving")
    ]
    open_ports = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    ports = {port["containerPort"] for port in runtime["spec"]["containers"][0]["ports"]}
    assert ports == open_ports
