"""The alerts on made-up metrics, and the names of the metrics against those that z1 exports."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

OVERLAYS = ("overlays/small", "overlays/cloud")
# Of vLLM 0.32 and the libraries it serves with; z1's own are read from its source.
VLLM = {
    "http_requests_total",
    "vllm:kv_cache_usage_perc",
    "vllm:num_preemptions_total",
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:time_to_first_token_seconds_bucket",
}
KUBERNETES = {
    "kubelet_volume_stats_available_bytes",
    "kubelet_volume_stats_capacity_bytes",
    "up",
}
LABELS = 'job="z1-serving", namespace="z1", service="z1-demo"'
CACHE = 'persistentvolumeclaim="z1-model-cache"'
FIRING = 'count by (alertname) (ALERTS{{alertstate="firing", alertname="{}"}})'
# A sample is taken every five minutes; 0+NxM is a counter that grows by N at each of M.
CASES: dict[str, tuple[dict[str, str], str, list[str]]] = {
    "all is well": (
        {
            f"up{{{LABELS}, pod='a'}}": "1x1000",
            f"http_requests_total{{{LABELS}, status='2xx'}}": "0+100x1000",
            f"http_requests_total{{{LABELS}, status='5xx'}}": "0+1x1000",
            f"vllm:num_requests_waiting{{{LABELS}, pod='a'}}": "3x1000",
            f"z1_replies_total{{{LABELS}, closed='true'}}": "0+10x1000",
            f"z1_replies_total{{{LABELS}, closed='false'}}": "0+90x1000",
            f"z1_thinking_tokens_total{{{LABELS}}}": "0+50000x1000",
        },
        "10h",
        [],
    ),
    "no pod answers": ({f"up{{{LABELS}, pod='a'}}": "1x10 0x500"}, "3h", ["Z1ServingDown"]),
    "the pods are gone": ({f"up{{{LABELS}, pod='a'}}": "1x10"}, "3h", ["Z1ServingDown"]),
    "one of two pods answers": (
        {f"up{{{LABELS}, pod='a'}}": "1x10 0x500", f"up{{{LABELS}, pod='b'}}": "1x600"},
        "3h",
        [],
    ),
    "it was taken down long ago": ({f"up{{{LABELS}, pod='a'}}": "1x10"}, "12h", []),
    "one request in ten fails": (
        {
            f"up{{{LABELS}, pod='a'}}": "1x1000",
            f"http_requests_total{{{LABELS}, status='2xx'}}": "0+90x1000",
            f"http_requests_total{{{LABELS}, status='5xx'}}": "0+10x1000",
        },
        "1h",
        ["Z1RequestsFail"],
    ),
    "requests pile up": (
        {
            f"up{{{LABELS}, pod='a'}}": "1x1000",
            f"vllm:num_requests_waiting{{{LABELS}, pod='a'}}": "40x1000",
        },
        "1h",
        ["Z1RequestsWait"],
    ),
    "half of the windows close": (
        {
            f"up{{{LABELS}, pod='a'}}": "1x1000",
            f"z1_replies_total{{{LABELS}, closed='true'}}": "0+50x1000",
            f"z1_replies_total{{{LABELS}, closed='false'}}": "0+50x1000",
        },
        "4h",
        ["Z1WindowsClose"],
    ),
    "windows close, but few ask": (
        {
            f"up{{{LABELS}, pod='a'}}": "1x1000",
            f"z1_replies_total{{{LABELS}, closed='true'}}": "0+1x1000",
        },
        "4h",
        [],
    ),
    "it thinks twice as long as a week ago": (
        {
            f"up{{{LABELS}, pod='a'}}": "1x11000",
            f"z1_replies_total{{{LABELS}, closed='false'}}": "0+100x11000",
            f"z1_thinking_tokens_total{{{LABELS}}}": "0+50000x1900 95100000+100000x9000",
        },
        "170h",
        ["Z1ThinksMore"],
    ),
    "a volume is full": (
        {
            f"kubelet_volume_stats_available_bytes{{{CACHE}}}": "5x100",
            f"kubelet_volume_stats_capacity_bytes{{{CACHE}}}": "100x100",
        },
        "1h",
        ["Z1VolumeFull"],
    ),
    "another's volume is full": (
        {
            "kubelet_volume_stats_available_bytes{persistentvolumeclaim='other'}": "5x100",
            "kubelet_volume_stats_capacity_bytes{persistentvolumeclaim='other'}": "100x100",
        },
        "1h",
        [],
    ),
}


def read_rules(render, path) -> dict[str, Any]:
    [found] = [o for o in render(path) if o["kind"] == "PrometheusRule"]
    return found["spec"]


def read_dashboard(render, path) -> dict[str, Any]:
    [found] = [o for o in render(path) if o["metadata"]["name"] == "z1-dashboard"]
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    return json.loads(found["data"]["z1.json"])


def find_metrics(expression: str) -> set[str]:
    """The metrics an expression names: words before a ``{``."""
    return set(re.findall(r"([a-zA-Z_:][\w:]*)\{", expression))


def exported() -> set[str]:
    source = Path(__file__).parents[3] / "z1" / "serving" / "middleware.py"
    counters = set(re.findall(r'Counter\("(\w+)"', source.read_text()))
    assert counters
    return {f"{name}_total" for name in counters}


@pytest.mark.parametrize("path", OVERLAYS)
def test_alerts_and_dashboard_ask_for_metrics_that_exist(render, path):
    groups = read_rules(render, path)["groups"]
    rules = [rule["expr"] for group in groups for rule in group["rules"]]
    panels = [
        target["expr"]
        for panel in read_dashboard(render, path)["panels"]
        for target in panel["targets"]
    ]
    used = set().union(*map(find_metrics, [*rules, *panels]))
    assert used <= exported() | VLLM | KUBERNETES
    assert exported() <= used  # and nothing that z1 counts goes unseen


@pytest.mark.parametrize("path", OVERLAYS)
def test_the_dashboards_panels_lie_beside_each_other(render, path):
    panels = read_dashboard(render, path)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels}) == len(panels)


def test_alerts_fire_when_they_should_and_not_otherwise(render, tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is missing; it comes with Prometheus")
    spec = read_rules(render, "overlays/cloud")
    names = [rule["alert"] for group in spec["groups"] for rule in group["rules"]]
    # The texts are left out, and so are the labels besides the alerts' names: only that they fire.
    bare = [
        {
            **group,
            "rules": [{k: rule[k] for k in ("alert", "expr", "for")} for rule in group["rules"]],
        }
        for group in spec["groups"]
    ]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": bare}))
    (tmp_path / "real.yaml").write_text(yaml.safe_dump(spec))
    cases = [
        {
            "name": name,
            "interval": "5m",
            "input_series": [{"series": s, "values": v} for s, v in series.items()],
            "promql_expr_test": [
                {
                    "expr": FIRING.format(alert),
                    "eval_time": time,
                    "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1}]
                    if alert in firing
                    else [],
                }
                for alert in names
            ],
        }
        for name, (series, time, firing) in CASES.items()
    ]
    test = {"rule_files": ["rules.yaml"], "evaluation_interval": "5m", "tests": cases}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    for command in (["check", "rules", "real.yaml"], ["test", "rules", "test.yaml"]):
        done = subprocess.run([promtool, *command], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    fired = {alert for _, _, firing in CASES.values() for alert in firing}
    assert fired == set(names)
