"""`z1` for tests that start it dozens of times: a process that has torch and TRL loaded forks.

``python preloaded.py SOCKET`` is that process. A caller sends it the arguments and the current
folder as JSON, with its standard output and standard error, and gets the exit code. What runs is
z1's own command line in a process of its own, only without the ten seconds of imports.
"""

import json
import os
import socket
import sys
import traceback


def _serve(address: str) -> None:
    import trl

    trl.SFTTrainer, trl.DPOTrainer  # noqa: B018 - loaded when they are named
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        while True:
            caller, _ = server.accept()
            with caller:
                call, files, *_ = socket.recv_fds(caller, 2**16, 2)
                child = os.fork()
                if not child:
                    _run(*json.loads(call), files)
                for file in files:
                    os.close(file)
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                caller.send(str(code).encode())


def _run(arguments: list[str], folder: str, files: list[int]) -> None:
    """Run z1 in the caller's folder, with its output, and end this process."""
    code = 1
    try:
        for place, file in enumerate(files, start=1):
            os.dup2(file, place)
        os.chdir(folder)
        from z1.cli import main

        main(arguments, standalone_mode=False)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
