"""The process that runs verifiers: batches of items come in as lines of JSON, verdicts go out.

It is a program of its own, so that it imports nothing but verifiers however it was started.
"""

import json
import os
import resource
import signal
import sys

from z1.verifiers import check, load
from z1.verifiers.clock import limited
from z1.verifiers.sandbox import Limits, Settings, keeping

_MEMORY_BYTES = 4 * 2**30


def main() -> None:
    """Answer batches until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or hard > _MEMORY_BYTES:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, hard))
    # A library that prints must not write between the verdicts.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        batch = json.loads(line)
        isolation, limits = batch["running"]
        last = ""  # kept back until the sandbox is gone, so that nothing is left when all is told
        with keeping(Settings(isolation, Limits(*limits))):
            for verifier, answer, text in batch["items"]:
                if last:
                    print(last, file=answers, flush=True)
                load(verifier)
                with limited(batch["limit"]):
                    verdict = check(verifier, answer, text)
                last = json.dumps([*verdict, verdict.details])
        print(last, file=answers, flush=True)


if __name__ == "__main__":
    main()
