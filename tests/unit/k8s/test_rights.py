"""What the accounts may do: all they need, and nothing that would let them do more."""

from typing import Any

import pytest

OVERLAYS = ("overlays/small", "overlays/cloud")
NEEDED = {
    "z1-steps": {
        "argoproj.io/workflowtaskresults": "create patch",
        "argoproj.io/workflowtasksets": "list watch",
        "argoproj.io/workflowtasksets/status": "patch",
        "configmaps[kfp-launcher]": "get",
        "secrets[mlpipeline-minio-artifact]": "get",
        "pods": "get list",
        "pods/log": "get",
        "events": "list",
        "trainer.kubeflow.org/trainjobs": "create delete get list patch watch",
    },
    "z1-submit": {
        "pipelines.kubeflow.org/experiments": "create get list",
        "pipelines.kubeflow.org/runs": "create get list",
        "pipelines.kubeflow.org/jobs": "create delete disable enable get list",
    },
    "z1-trainer": {},
    "z1-serving": {},
}
NEEDED["z1-deploy"] = {
    **NEEDED["z1-steps"],
    "serving.kserve.io/inferenceservices": "create delete get patch watch",
    "serving.kserve.io/servingruntimes": "create delete get list patch",
    "policy/poddisruptionbudgets": "create delete get patch",
    "apps/deployments": "get",
    "configmaps": "create delete get patch",
    "services": "get",
    "coordination.k8s.io/leases": "create get update",
}


def rights(objects: list[dict[str, Any]], account: str) -> dict[str, str]:
    """What an account may do, by what it may do it to."""
    roles = {o["metadata"]["name"]: o["rules"] for o in objects if o["kind"] == "Role"}
    given: dict[str, set[str]] = {}
    for binding in (o for o in objects if o["kind"] == "RoleBinding"):
        if account in [subject["name"] for subject in binding["subjects"]]:
            for rule in roles[binding["roleRef"]["name"]]:
                for group in rule["apiGroups"]:
                    for resource in rule["resources"]:
                        name = f"{group}/{resource}" if group else resource
                        for only in rule.get("resourceNames", [""]):
                            place = f"{name}[{only}]" if only else name
                            given.setdefault(place, set()).update(rule["verbs"])
    return {place: " ".join(sorted(verbs)) for place, verbs in given.items()}


@pytest.mark.parametrize("path", OVERLAYS)
@pytest.mark.parametrize("account", list(NEEDED))
def test_an_account_may_do_what_it_needs_and_no_more(render, path, account):
    assert rights(render(path), account) == NEEDED[account]


@pytest.mark.parametrize("path", OVERLAYS)
def test_there_is_no_account_that_the_table_does_not_know(render, path):
    accounts = {o["metadata"]["name"] for o in render(path) if o["kind"] == "ServiceAccount"}
    bound = {
        subject["name"]
        for o in render(path)
        if o["kind"] == "RoleBinding"
        for subject in o["subjects"]
    }
    assert accounts == set(NEEDED)
    assert bound <= accounts


@pytest.mark.parametrize("path", OVERLAYS)
def test_no_right_is_a_wildcard_or_goes_beyond_the_namespace(render, path):
    kinds = {o["kind"] for o in render(path)}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}
    for role in (o for o in render(path) if o["kind"] == "Role"):
        for rule in role["rules"]:
            named = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert not any("*" in name for name in named)


@pytest.mark.parametrize("path", OVERLAYS)
def test_only_what_runs_steps_gets_a_token_by_itself(render, path):
    mounted = {
        o["metadata"]["name"]
        for o in render(path)
        if o["kind"] == "ServiceAccount" and o.get("automountServiceAccountToken", True)
    }
    assert mounted == {"z1-steps", "z1-deploy"}
