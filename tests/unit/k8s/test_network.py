"""Who may talk to whom, asked of the rendered policies as Kubernetes documents their meaning.

A connection needs the egress rules of where it begins and the ingress rules of where it ends. A
pod that no policy of a direction selects is open in that direction. An ipBlock also counts for
pods here, which is the stricter reading for what must be closed.
"""

import ipaddress
import shutil
from typing import Any, NamedTuple

import pytest

from z1_pipelines.steps import WAYS

RUN = {"workflows.argoproj.io/workflow": "tops-x", "pipelines.kubeflow.org/v2_component": "true"}
WEB, SERVING, S3, ANY = 443, 8080, 8333, 29400


class Place(NamedTuple):
    """A pod, or an address outside if it has no namespace."""

    ip: str
    namespace: str = ""
    labels: dict[str, str] = {}  # noqa: RUF012 - never changed


def step(name: str, namespace: str) -> Place:
    return Place("10.244.0.10", namespace, {**RUN, "z1/step": name})


def places(home: str) -> dict[str, Place]:
    """All that talks, with z1's pods in the namespace given."""
    return {
        **{name: step(name, home) for name in WAYS},
        "driver": Place("10.244.0.11", home, RUN),
        "trainer": Place("10.244.0.12", home, {"z1/step": "trainer"}),
        "fill-cache": Place("10.244.0.13", home, {"z1/step": "fill-cache"}),
        "predictor": Place(
            "10.244.0.14",
            home,
            {
                "serving.kserve.io/inferenceservice": "z1-demo",
                "app.kubernetes.io/name": "z1-serving",
            },
        ),
        "z1-s3": Place("10.244.0.15", home, {"app.kubernetes.io/component": "z1-s3"}),
        "unlabelled": Place("10.244.0.16", home, {}),
        "ml-pipeline": Place("10.244.1.1", "kubeflow", {"app": "ml-pipeline"}),
        "metadata": Place("10.244.1.2", "kubeflow", {"component": "metadata-grpc-server"}),
        "artifacts": Place("10.244.1.3", "kubeflow", {"app": "seaweedfs"}),
        "mysql": Place("10.244.1.4", "kubeflow", {"app": "mysql"}),
        "dns": Place("10.244.2.1", "kube-system", {"k8s-app": "kube-dns"}),
        "gateway": Place("10.244.3.1", "envoy-gateway-system", {}),
        "prometheus": Place("10.244.4.1", "monitoring", {}),
        "stranger": Place("10.244.5.1", "default", {}),
        # Who claims labels of z1's in a namespace of their own.
        "impostor": Place("10.244.5.2", "default", {**RUN, "z1/step": "deploy"}),
        "api-server": Place("192.0.2.1"),
        "s3-outside": Place("192.0.2.3"),
        "hub": Place("18.160.0.1"),
        "node-keys": Place("169.254.169.254"),
        "office": Place("10.9.8.7"),
    }


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions", []):
        value, operator = labels.get(rule["key"]), rule["operator"]
        met = {
            "Exists": value is not None,
            "DoesNotExist": value is None,
            "In": value in rule.get("values", []),
            "NotIn": value not in rule.get("values", []),
        }[operator]
        if not met:
            return False
    return True


def matches(peer: dict[str, Any], place: Place, home: str) -> bool:
    if "ipBlock" in peer:
        address = ipaddress.ip_address(place.ip)
        out = peer["ipBlock"].get("except", [])
        return address in ipaddress.ip_network(peer["ipBlock"]["cidr"]) and not any(
            address in ipaddress.ip_network(block) for block in out
        )
    if not place.namespace:
        return False
    if "namespaceSelector" in peer:
        named = {"kubernetes.io/metadata.name": place.namespace}
        if not selects(peer["namespaceSelector"], named):
            return False
    elif place.namespace != home:
        return False
    return selects(peer.get("podSelector", {}), place.labels)


def opens(ports: list[dict[str, Any]], port: int, protocol: str) -> bool:
    return not ports or any(
        rule.get("port") in (None, port) and rule.get("protocol", "TCP") == protocol
        for rule in ports
    )


def passes(
    policies: list[dict[str, Any]], way: str, here: Place, there: Place, port: int, protocol: str
) -> bool:
    """Whether a pod's policies let a connection through on its way out or in."""
    chosen = [
        policy
        for policy in policies
        if here.namespace == policy["metadata"]["namespace"]
        and way in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], here.labels)
    ]
    rules = [rule for policy in chosen for rule in policy["spec"].get(way.lower(), [])]
    peers = "to" if way == "Egress" else "from"
    return not chosen or any(
        opens(rule.get("ports", []), port, protocol)
        and (peers not in rule or any(matches(peer, there, here.namespace) for peer in rule[peers]))
        for rule in rules
    )


def may(
    policies: list[dict[str, Any]], start: Place, end: Place, port: int, protocol: str = "TCP"
) -> bool:
    return passes(policies, "Egress", start, end, port, protocol) and passes(
        policies, "Ingress", end, start, port, protocol
    )


EVERYWHERE = [
    # The verify step: DNS, KFP, its artifact store and the API server; S3 is below.
    ("verify", "dns", 53, True),
    ("verify", "ml-pipeline", 8887, True),
    ("verify", "ml-pipeline", 8888, True),
    ("verify", "metadata", 8080, True),
    ("verify", "artifacts", S3, True),
    ("verify", "api-server", WEB, True),
    ("verify", "api-server", 6443, True),
    ("verify", "hub", WEB, False),
    ("verify", "node-keys", 80, False),
    ("verify", "office", WEB, False),
    ("verify", "mysql", 3306, False),
    ("verify", "artifacts", 9333, False),
    ("verify", "ml-pipeline", 22, False),
    ("verify", "api-server", 22, False),
    ("verify", "dns", 9153, False),
    ("verify", "predictor", SERVING, False),
    ("verify", "trainer", ANY, False),
    ("verify", "gateway", WEB, False),
    ("verify", "prometheus", 9090, False),
    ("verify", "stranger", 80, False),
    ("filter", "hub", WEB, False),
    ("select", "hub", WEB, False),
    # Steps that load models or problems.
    ("problems", "hub", WEB, True),
    ("generate", "hub", WEB, True),
    ("sft", "hub", WEB, True),
    ("evaluate", "hub", WEB, True),
    ("publish", "hub", WEB, True),
    *((name, "hub", WEB, True) for name in ("incumbent", "added", "gate", "deploy", "outcome")),
    ("merge", "hub", WEB, False),
    ("fill-cache", "hub", WEB, True),
    ("fill-cache", "dns", 53, True),
    ("generate", "hub", 80, False),
    ("generate", "node-keys", 80, False),
    ("generate", "node-keys", WEB, False),
    ("generate", "office", WEB, False),
    ("generate", "predictor", SERVING, False),
    ("generate", "mysql", 3306, False),
    ("generate", "sft", ANY, False),
    # The nodes of a TrainJob.
    ("trainer", "trainer", ANY, True),
    ("trainer", "dns", 53, True),
    ("trainer", "hub", WEB, True),
    ("trainer", "api-server", 6443, False),
    ("trainer", "ml-pipeline", 8888, False),
    ("generate", "trainer", ANY, False),
    ("stranger", "trainer", ANY, False),
    # Predictors.
    ("gateway", "predictor", SERVING, True),
    ("prometheus", "predictor", SERVING, True),
    ("deploy", "predictor", SERVING, True),
    ("deploy", "gateway", WEB, True),
    ("deploy", "api-server", WEB, True),
    ("gateway", "predictor", 22, False),
    ("stranger", "predictor", SERVING, False),
    ("impostor", "predictor", SERVING, False),
    ("artifacts", "predictor", SERVING, False),
    ("predictor", "predictor", SERVING, False),
    ("predictor", "dns", 53, True),
    ("predictor", "hub", WEB, False),
    ("predictor", "api-server", WEB, False),
    ("predictor", "artifacts", S3, False),
    ("predictor", "gateway", WEB, False),
    # Nobody calls a step.
    ("stranger", "verify", 80, False),
    ("gateway", "verify", 80, False),
    ("prometheus", "generate", SERVING, False),
    ("generate", "verify", 80, False),
]
SMALL = [
    *((name, "z1-s3", S3, True) for name in ("verify", "generate", "sft", "publish", "deploy")),
    ("trainer", "z1-s3", S3, True),
    ("predictor", "z1-s3", S3, True),
    ("verify", "z1-s3", 9333, False),
    ("impostor", "z1-s3", S3, False),
    ("stranger", "z1-s3", S3, False),
    ("mysql", "z1-s3", S3, False),
    ("z1-s3", "hub", WEB, False),
    ("z1-s3", "dns", 53, False),
    # The rest of KFP's namespace is left alone.
    ("ml-pipeline", "mysql", 3306, True),
    ("driver", "ml-pipeline", 8887, True),
    ("driver", "hub", WEB, True),
    ("unlabelled", "hub", WEB, True),
]
CLOUD = [
    *((name, "s3-outside", WEB, True) for name in ("verify", "generate", "sft", "publish")),
    ("trainer", "s3-outside", WEB, True),
    ("predictor", "s3-outside", WEB, True),
    ("verify", "s3-outside", 80, False),
    ("driver", "ml-pipeline", 8887, True),
    ("driver", "metadata", 8080, True),
    ("driver", "api-server", WEB, True),
    ("driver", "hub", WEB, False),
    ("unlabelled", "dns", 53, False),
    ("unlabelled", "hub", WEB, False),
    ("unlabelled", "verify", 80, False),
    ("stranger", "unlabelled", 80, False),
]
TABLES = {
    "overlays/small": ("kubeflow", [*EVERYWHERE, *SMALL]),
    "overlays/cloud": ("z1", [*EVERYWHERE, *CLOUD]),
}
ROWS = [
    pytest.param(path, home, *row, id=f"{path.split('/')[1]}-{row[0]}-{row[1]}-{row[2]}")
    for path, (home, rows) in TABLES.items()
    for row in rows
]


def read_policies(render, path):
    return [found for found in render(path) if found["kind"] == "NetworkPolicy"]


@pytest.mark.parametrize(("path", "home", "start", "end", "port", "allowed"), ROWS)
def test_a_connection_is_allowed_or_not_as_the_table_says(
    render, path, home, start, end, port, allowed
):
    there = places(home)
    assert may(read_policies(render, path), there[start], there[end], port) is allowed


@pytest.mark.parametrize("path", list(TABLES))
def test_names_are_asked_over_udp_too(render, path):
    home = TABLES[path][0]
    there = places(home)
    for name in ("verify", "trainer", "predictor", "generate"):
        assert may(read_policies(render, path), there[name], there["dns"], 53, "UDP")
    assert not may(read_policies(render, path), there["verify"], there["hub"], WEB, "UDP")


def test_without_the_hub_no_step_gets_out(render, folder, tmp_path):
    """The closed network: what is left when the overlay's line is taken out."""
    copy = tmp_path / "k8s"
    shutil.copytree(folder, copy)
    file = copy / "overlays/cloud/kustomization.yaml"
    kept = [line for line in file.read_text().splitlines() if "components/hub" not in line]
    file.write_text("\n".join(kept) + "\n")
    policies = read_policies(render, str(copy / "overlays/cloud"))
    there = places("z1")
    for name, start in there.items():
        if start.namespace == "z1":
            assert not may(policies, start, there["hub"], WEB), name
    assert may(policies, there["generate"], there["s3-outside"], WEB)


@pytest.mark.parametrize(
    "change",
    [
        {"policyTypes": ["Ingress"]},
        {"egress": [{}]},
        {"egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]},
        {"egress": [{"to": [{"namespaceSelector": {}}], "ports": [{"port": 3306}]}]},
    ],
)
def test_the_table_would_notice_an_open_policy(render, change):
    """The evaluator itself: each of these lets the verify step somewhere that the table forbids."""
    policies = [
        {**policy, "spec": {**policy["spec"], **change}}
        if policy["metadata"]["name"] in ("z1-steps", "z1-deny-all", "z1-steps-to-s3")
        else policy
        for policy in read_policies(render, "overlays/cloud")
    ]
    there = places("z1")
    forbidden = [row for row in EVERYWHERE if row[0] == "verify" and not row[3]]
    assert any(may(policies, there[start], there[end], port) for start, end, port, _ in forbidden)
