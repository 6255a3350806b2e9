"""Put the shards of replies together that ``generate`` made side by side.

Inputs: ``shard-1``, ``shard-2`` and so on, all of them.
"""

import re
import shutil

from z1.errors import InputError
from z1.records import TRAJECTORY, count_replies, scan
from z1.stages import Metrics, Work

USES = ()


def run(work: Work) -> Metrics:
    """Copy the shards' parts, numbered anew. Raises InputError if an input is no shard."""
    for name in work.inputs:
        if not re.fullmatch(r"shard-[1-9]\d*", name):
            raise InputError(f"input {name!r}: merge takes shard-1, shard-2 and so on")
    numbered = sorted((int(name.partition("-")[2]), path) for name, path in work.inputs.items())
    parts = [part for _, path in numbered for part in sorted(path.glob("part-*.parquet"))]
    for number, part in enumerate(parts):
        shutil.copyfile(part, work.output / f"part-{number:05d}.parquet")
        work.report(number + 1, len(parts))
    efforts = count_replies(scan(work.output, TRAJECTORY))
    return Metrics(sum(row["replies"] for row in efforts), {}, {"efforts": efforts}, "replies")
