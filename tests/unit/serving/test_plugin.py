"""The plug-in against the classes of the vLLM that it is for, in that vLLM's environment."""

import subprocess
from pathlib import Path


def test_the_plugin_keeps_windows_in_both_model_runners(vllm_python, tmp_path):
    checks = Path(__file__).with_name("plugin_checks.py")
    command = [vllm_python, "-m", "pytest", "-q", "-p", "no:cacheprovider", checks]
    done = subprocess.run(
        [*command, "-c", "/dev/null", "--rootdir", tmp_path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout
