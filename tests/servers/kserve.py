"""KServe's controller and the kubelets behind it, as a test scripts them.

Written from what KServe 0.20 says of Standard mode and its canaries (pull requests 5672, 5912 and
5984 of kserve/kserve, and its admission rules): a Deployment and a Service
``SERVICE-NAME-predictor`` for the predictor and each canary, ``minReplicas`` pods in each; what is
in the spec no more is deleted; a canary whose name becomes the predictor's keeps its pods; requests
are shared by ``trafficPercent``, and none go to a canary that is not ready; labels and annotations
of the service and of a predictor are its pods', which a change of one starts anew; status has the
condition Ready, ``canaryStatuses``, the address, and an observedGeneration that is the
Deployment's, not its own (issue 6081).
"""

import copy
import threading
import time

from servers.kube import KubeServer, Object, RefusedError
from servers.schema import Problem

HOST = "tops.example.com"
_START = 0.1  # seconds that pods take to be ready
_POD = {"conditions": [{"type": "Ready", "status": "True"}]}


class KServe:
    """The controller; ``script`` says how the pods of each version fare."""

    def __init__(self, server: KubeServer) -> None:
        self.server = server
        self.script: dict[str, str] = {}
        """By version: ready (as without an entry), image, crash, memory, never, unplaced, nothing,
        or ``dies N``: ready until it gets N % of the requests."""
        self.slow: set[str] = set()
        """Versions that take no notice of anything."""
        self.gaps: list[str] = []
        """Services that nobody answered for at some time after somebody had."""
        self._answered: set[str] = set()
        self._dying: set[str] = set()
        self._begun: dict[str, tuple[Object, float]] = {}
        self._stopped = False
        server.webhooks.append(_admit)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped = True
        with self.server.changed:
            self.server.changed.notify_all()
        self._thread.join()

    def serving(self, service: str = "tops") -> dict[str, int]:
        """Return the percentage of requests that each version with a ready pod answers."""
        with self.server.changed:
            spec = (self.server.find("inferenceservices", service) or {}).get("spec")
            if not spec:
                return {}
            shares = {
                trial["predictor"]["name"]: trial["trafficPercent"]
                for trial in spec.get("canary", [])
                if trial["trafficPercent"] and self._is_up(service, trial["predictor"]["name"])
            }
            stable = spec["predictor"]["name"]
            if self._is_up(service, stable) and sum(shares.values()) < 100:
                shares[stable] = 100 - sum(shares.values())
            return shares

    def _is_up(self, service: str, version: str) -> bool:
        found = self.server.find("deployments", f"{service}-{version}-predictor")
        return bool(found and found["status"].get("availableReplicas"))

    def _observed(self, service: str, version: str) -> int:
        found = self.server.find("deployments", f"{service}-{version}-predictor")
        return int(found["status"].get("observedGeneration", 0)) if found else 0

    def _run(self) -> None:
        seen = -1
        while not self._stopped:
            with self.server.changed:
                if self.server.version == seen:
                    self.server.changed.wait(0.1)
                seen = self.server.version
                services = [
                    copy.deepcopy(thing)
                    for (plural, _, _), thing in self.server.objects.items()
                    if plural == "inferenceservices"
                ]
                for thing in services:
                    self._reconcile(thing)
                self._clean({thing["metadata"]["name"] for thing in services})
                for thing in services:
                    name = thing["metadata"]["name"]
                    if self.serving(name):
                        self._answered.add(name)
                    elif name in self._answered:
                        self.gaps.append(name)

    def _reconcile(self, thing: Object) -> None:
        service, spec = thing["metadata"]["name"], thing["spec"]
        trials = spec.get("canary", [])
        wanted = [(spec["predictor"], 100)]
        wanted += [(trial["predictor"], trial["trafficPercent"]) for trial in trials]
        names = {f"{service}-{predictor['name']}-predictor" for predictor, _ in wanted}
        self._clean({service}, names)
        for predictor, percent in wanted:
            self._workload(service, predictor, percent, thing["metadata"])
        up = {predictor["name"]: self._is_up(service, predictor["name"]) for predictor, _ in wanted}
        stable = spec["predictor"]["name"]
        status: Object = {
            "observedGeneration": self._observed(service, stable),
            "conditions": [{"type": "Ready", "status": str(up[stable])}],
            "url": f"http://{HOST}",
            "address": {"url": f"http://{service}-{stable}-predictor.z1.svc.cluster.local"},
            "canaryStatuses": [
                {
                    "name": trial["predictor"]["name"],
                    "ready": up[trial["predictor"]["name"]],
                    "trafficPercent": trial["trafficPercent"],
                }
                for trial in trials
            ],
        }
        if stable not in self.slow:
            self.server.set_status("inferenceservices", service, status)

    def _clean(self, services: set[str], workloads: set[str] | None = None) -> None:
        """Delete what belongs to no service, or, of one service, to none of its workloads."""
        for plural, _, name in list(self.server.objects):
            if plural not in ("deployments", "services", "pods"):
                continue
            labels = self.server.objects[plural, "z1", name]["metadata"]["labels"]
            owned = labels["serving.kserve.io/inferenceservice"] in services
            if owned == (workloads is not None) and labels["app"] not in (workloads or ()):
                self.server.remove(plural, name)

    def _workload(self, service: str, predictor: Object, percent: int, own: Object) -> None:
        version = predictor["name"]
        name = f"{service}-{version}-predictor"
        how = self.script.get(version, "ready")
        template = {k: v for k, v in predictor.items() if k not in ("minReplicas", "maxReplicas")}
        template.pop("autoScaling", None)
        template["model"] = {k: v for k, v in template["model"].items() if k != "name"}
        labels = {
            **predictor["labels"],
            "serving.kserve.io/inferenceservice": service,
            "app": name,
        }
        template = {
            "metadata": {
                "labels": {**own.get("labels", {}), **labels},
                "annotations": {
                    **own.get("annotations", {}),
                    **predictor.get("annotations", {}),
                },
            },
            "spec": template,
        }
        before = self.server.find("deployments", name)
        replicas = predictor["minReplicas"]
        dying = how.startswith("dies") and percent >= int(how.split()[1]) and percent < 100
        if dying and before and before["status"].get("availableReplicas"):
            if version not in self._dying:
                self._dying.add(version)
                threading.Timer(0.3, self._kill, (name, labels)).start()
            how = "ready"
        elif version in self._dying:
            return
        how = "ready" if how.startswith("dies") else how
        how = "starting" if how == "ready" and self._is_starting(name, before, template) else how
        spec = {"replicas": replicas, "template": template}
        if before and before["spec"] == spec and before["status"].get("how") == how:
            return
        good = how == "ready"
        # In a rolling update the pods of before stay until those of now are ready.
        old = before["status"].get("availableReplicas", 0) if before and not good else 0
        same = before is not None and before["spec"]["template"] == template
        self.server.put(
            "deployments",
            {
                "kind": "Deployment",
                "metadata": {"name": name, "labels": labels},
                "spec": spec,
                "status": (before or {}).get("status", {}),
            },
        )
        made = self.server.find("deployments", name)
        assert made
        status = {
            "how": how,
            "observedGeneration": made["metadata"]["generation"],
            "replicas": replicas + old,
            "updatedReplicas": replicas,
            "availableReplicas": replicas if good else old,
        }
        if how == "nothing":
            told = "pods are forbidden: exceeded quota: z1, requested: nvidia.com/gpu=1"
            status["conditions"] = [{"type": "ReplicaFailure", "status": "True", "message": told}]
        self.server.put(
            "services",
            {
                "kind": "Service",
                "metadata": {"name": name, "labels": labels},
                "spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 80, "targetPort": 8080}]},
            },
        )
        suffix = "" if same or before is None else f"-{made['metadata']['generation']}"
        for number in range(replicas if how != "nothing" else 0):
            self._pod(f"{name}{suffix}-{number}", labels, how)
        self.server.set_status("deployments", name, status)

    def _is_starting(self, name: str, before: Object | None, template: Object) -> bool:
        """Tell whether pods of a new kind have not had their time to start yet."""
        if before is None or self._begun[name][0] != template:
            self._begun[name] = template, time.monotonic()
        return time.monotonic() - self._begun[name][1] < _START

    def _pod(self, name: str, labels: Object, how: str) -> None:
        container: Object = {"name": "kserve-container", "image": "z1-vllm:9", "restartCount": 0}
        status: Object = {"conditions": [{"type": "Ready", "status": "False"}]}
        if how == "starting":
            container["state"] = {"waiting": {"reason": "ContainerCreating"}}
        elif how == "ready":
            status = _POD
            container["state"] = {"running": {}}
        elif how == "image":
            told = 'Back-off pulling image "z1-vllm:9"'
            container["state"] = {"waiting": {"reason": "ImagePullBackOff", "message": told}}
        elif how in ("crash", "memory"):
            container["restartCount"] = 4
            container["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
            ended = {"exitCode": 137, "reason": "OOMKilled"} if how == "memory" else {"exitCode": 1}
            container["lastState"] = {"terminated": ended}
            self.server.logs[name, True] = "loading weights\nValueError: no kernel for this GPU\n"
        elif how == "unplaced":
            told = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
            status["conditions"] += [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": told,
                }
            ]
        elif how == "never":
            container["state"] = {"running": {}}
            self.server.put(
                "events",
                {
                    "kind": "Event",
                    "metadata": {"name": f"{name}.1"},
                    "type": "Warning",
                    "reason": "Unhealthy",
                    "message": "Startup probe failed: connection refused",
                    "involvedObject": {"kind": "Pod", "name": name},
                },
            )
        limits = {"limits": {"memory": "64Gi"}}
        self.server.put(
            "pods",
            {
                "kind": "Pod",
                "metadata": {"name": name, "labels": labels},
                "spec": {"containers": [{"name": "kserve-container", "resources": limits}]},
                "status": {**status, "containerStatuses": [container]},
            },
        )

    def _kill(self, name: str, labels: Object) -> None:
        with self.server.changed:
            made = self.server.find("deployments", name)
            if made:
                self._pod(f"{name}-0", labels, "crash")
                status = {**made["status"], "availableReplicas": 0}
                self.server.set_status("deployments", name, status)


def _admit(thing: Object, before: Object | None) -> None:
    """Refuse what KServe's webhook refuses."""
    if thing["kind"] != "InferenceService":
        return
    webhook = 'admission webhook "inferenceservice.kserve-webhook-server.validator" denied the'
    spec = thing["spec"]
    trials = spec.get("canary", [])
    names = [spec["predictor"].get("name"), *(t["predictor"].get("name") for t in trials)]
    wrong = []
    if (
        trials
        and thing["metadata"]["annotations"].get("serving.kserve.io/deploymentMode") != "Standard"
    ):
        wrong.append("canaries need Standard mode")
    if len(set(names)) < len(names) or None in names[1:]:
        wrong.append(f"names {names} are not apart")
    if sum(trial["trafficPercent"] for trial in trials) > 100:
        wrong.append("more than 100 percent")
    for trial in trials:
        if {"maxReplicas", "autoScaling", "scaleTarget"} & set(trial["predictor"]):
            wrong.append("a canary has autoscaling fields")
    for predictor in (spec["predictor"], *(trial["predictor"] for trial in trials)):
        if predictor.get("model", {}).get("name"):
            wrong.append("the 'name' field is not allowed in standard predictor")
    if before:
        old, new = before["spec"]["predictor"], spec["predictor"]
        moved = old.get("name") != new.get("name")
        if moved and old["model"]["storageUri"] == new["model"]["storageUri"]:
            wrong.append("predictor.name change requires a model change")
    if wrong:
        raise RefusedError(403, f"{webhook} request: {wrong[0]}", [Problem("spec", wrong[0])])
