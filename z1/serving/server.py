"""`z1 serve`: vLLM's own OpenAI server with the thinking window."""

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from z1.errors import InputError
from z1.recipe import ThinkingWindow

_PLUGINS = "vllm.logits_processors"  # vLLM's entry-point group
_MIDDLEWARE = "z1.serving.middleware.WindowMiddleware"
_CACHE = 4 * 2**30  # most bytes for keys and values on a CPU


def serve(
    model: str,
    address: tuple[str | None, int],
    window: ThinkingWindow,
    budgets: Mapping[str, int],
    api_key: str | None,
    extra: Sequence[str],
) -> None:
    """Serve a model until the process is told to end.

    ``address`` is host (None for all of the machine's) and port; ``extra`` are arguments for vLLM.
    Raises InputError if vLLM is not installed, or the model, the hint or ``extra`` is wrong.
    """
    try:
        import uvloop
        from vllm.entrypoints.launchers.api_server.entry import run_server
        from vllm.platforms import current_platform
    except ImportError as error:
        raise InputError(
            f"z1 serve needs vLLM, which is not installed here ({error}): pip install 'z1[serve]'"
        ) from error
    from z1.serving.settings import make_settings

    if not any(point.value.startswith("z1.") for point in entry_points(group=_PLUGINS)):
        raise InputError("z1's plug-in for vLLM is not registered: install z1 with pip here again")
    settings = make_settings(model, window, budgets)
    host, port = address
    arguments = ["--model", settings.model, "--served-model-name", model, "--port", str(port)]
    arguments += ["--middleware", _MIDDLEWARE]
    if host is not None:
        arguments += ["--host", host]
    if api_key is not None:
        arguments += ["--api-key", api_key]
    if current_platform.is_cpu():
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", _pick_cores())
        arguments += ["--dtype", "float32", "--enforce-eager"]
        arguments += ["--kv-cache-memory-bytes", str(_pick_cache())]
        # A seeded request whose prompt is read in two steps would end vLLM on a CPU: it winds the
        # request's generator back, which a CPU's cannot do.
        arguments.append("--no-enable-chunked-prefill")
    parsed = _parse([*arguments, *extra])
    parsed.z1 = settings
    uvloop.run(run_server(parsed))


def _parse(arguments: list[str]) -> Any:
    from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = make_arg_parser(FlexibleArgumentParser(prog="z1 serve MODEL --"))
    parsed = parser.parse_args(arguments)
    validate_parsed_serve_args(parsed)
    if parsed.speculative_config:
        raise InputError("thinking windows do not go with speculative decoding; leave it out")
    return parsed


def _pick_cores() -> str:
    """Return the cores for the engine: all that this process may use, one kept for the server."""
    cores = sorted(os.sched_getaffinity(0))
    return ",".join(map(str, cores[1:] or cores))


def _pick_cache() -> int:
    """Return the bytes for keys and values: a quarter of what the machine has to spare."""
    spare = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(spare // 4, _CACHE)
