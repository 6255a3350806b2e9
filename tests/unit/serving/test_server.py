"""Starting `z1 serve`, as far as it goes without vLLM."""

import importlib.util
import os

import pytest
from click.testing import CliRunner

from z1.cli import main
from z1.serving.server import _pick_cache, _pick_cores


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed here")
def test_without_vllm_it_says_what_to_install():
    result = CliRunner().invoke(main, ["serve", "tiny"])
    assert result.exit_code == 2
    assert "pip install 'z1[serve]'" in result.output


@pytest.mark.parametrize(("cores", "picked"), [({0}, "0"), ({0, 1}, "1"), ({4, 2, 3}, "3,4")])
def test_the_engine_leaves_a_core_to_the_server_where_there_are_several(monkeypatch, cores, picked):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: cores)
    assert _pick_cores() == picked


def test_the_cache_fits_into_memory():
    assert 0 < _pick_cache() < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
