"""``python -m z1.serving`` is ``z1 serve``, as the entry point of the serving image."""

import sys

from z1.cli import main

main(["serve", *sys.argv[1:]], prog_name="z1")
