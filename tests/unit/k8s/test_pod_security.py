"""All pods of ours against the restricted profile of the Pod Security Standards, rule by rule."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

RENDERED = ("overlays/small", "overlays/cloud", "model-cache")
VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip
PROFILES = {"RuntimeDefault", "Localhost"}
SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
}  # fmt: skip
Pod = dict[str, Any]


def violations(pod: Pod) -> Iterator[str]:
    """Yield how a pod's spec goes against the restricted profile, and the baseline below it."""
    whole = pod.get("securityContext", {})
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield field
    for volume in pod.get("volumes", []):
        if kinds := set(volume) - {"name"} - VOLUMES:
            yield f"volume {kinds}"
    for sysctl in whole.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']}"
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in pod.get(kind, []):
            yield from _of_container(container, whole)
    if whole.get("runAsUser") == 0:
        yield "runAsUser"
    if whole.get("seLinuxOptions", {}).get("user") or whole.get("seLinuxOptions", {}).get("role"):
        yield "seLinuxOptions"


def _of_container(container: dict[str, Any], whole: dict[str, Any]) -> Iterator[str]:
    own = container.get("securityContext", {})
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if own.get("runAsNonRoot", whole.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot"
    if own.get("runAsUser") == 0:
        yield "runAsUser"
    profile = own.get("seccompProfile", whole.get("seccompProfile", {}))
    if profile.get("type") not in PROFILES:
        yield "seccompProfile"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield "capabilities.drop"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "capabilities.add"
    if own.get("procMount", "Default") != "Default":
        yield "procMount"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "hostPort"


def read_pods(render, path) -> list[Pod]:
    return [pod for found in render(path) for pod in _pods(found.get("spec"))]


def _pods(tree: Any) -> Iterator[Pod]:
    """Yield all specs of pods, however deep: TrainingRuntimes have theirs in jobs in sets."""
    if isinstance(tree, list):
        for item in tree:
            yield from _pods(item)
    elif isinstance(tree, dict):
        if "containers" in tree:
            yield tree
        for item in tree.values():
            yield from _pods(item)


@pytest.mark.parametrize("path", RENDERED)
def test_every_pod_is_restricted_and_has_a_read_only_root(render, path):
    for pod in read_pods(render, path):
        assert list(violations(pod)) == []
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["resources"]["requests"]
            assert container["resources"]["limits"]["memory"]


def test_there_are_pods_to_check(render):
    assert sum(len(read_pods(render, path)) for path in RENDERED) == 3


def test_the_namespace_refuses_other_pods(render):
    [namespace] = [o for o in render("overlays/cloud") if o["kind"] == "Namespace"]
    labels = namespace["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


def _container(**context: Any) -> Callable[[Pod], None]:
    return lambda pod: pod["containers"][0]["securityContext"].update(context)


def _whole(**context: Any) -> Callable[[Pod], None]:
    return lambda pod: pod["securityContext"].update(context)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (_container(privileged=True), "privileged"),
        (_container(allowPrivilegeEscalation=True), "allowPrivilegeEscalation"),
        (_container(capabilities={"drop": ["NET_RAW"]}), "capabilities.drop"),
        (_container(capabilities={"drop": ["ALL"], "add": ["SYS_PTRACE"]}), "capabilities.add"),
        (_container(seccompProfile={"type": "Unconfined"}), "seccompProfile"),
        (_container(runAsNonRoot=False), "runAsNonRoot"),
        (_container(runAsUser=0), "runAsUser"),
        (_container(procMount="Unmasked"), "procMount"),
        (_whole(runAsNonRoot=None), "runAsNonRoot"),
        (_whole(seccompProfile={}), "seccompProfile"),
        (_whole(runAsUser=0), "runAsUser"),
        (_whole(sysctls=[{"name": "kernel.msgmax", "value": "1"}]), "sysctl kernel.msgmax"),
        (lambda pod: pod.update(hostNetwork=True), "hostNetwork"),
        (lambda pod: pod["volumes"].append({"name": "x", "hostPath": {}}), "volume {'hostPath'}"),
        (lambda pod: pod["containers"].append({"name": "bare"}), "allowPrivilegeEscalation"),
        (lambda pod: pod.update(initContainers=[{"name": "bare"}]), "capabilities.drop"),
        (lambda pod: pod["containers"][0].update(ports=[{"hostPort": 80}]), "hostPort"),
    ],
)
def test_the_checker_notices(render, change, rule):
    pod = copy.deepcopy(read_pods(render, "overlays/small")[0])
    change(pod)
    assert rule in list(violations(pod))
