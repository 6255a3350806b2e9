"""What the engines that answer many requests at once have in common: an event loop with a bound.

The next request goes out as soon as any reply is in, so a slow reply keeps no other waiting.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from z1.engines import Reply, Request, derive_seed


class StreamingEngine(ABC):
    """An engine that answers each request for itself, with a seed of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, in_flight: int) -> None:
        """``in_flight`` is the most requests being answered at a time."""
        self.loop = loop
        self.in_flight = in_flight

    @abstractmethod
    async def answer(self, request: Request, seed: int) -> Reply:
        """Answer one request."""

    def sample(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        """Answer each request, in order, its seed being that of its place."""
        seeded = [(request, derive_seed(seed, i)) for i, request in enumerate(requests)]
        replies = dict(self.stream(seeded))
        return [replies[i] for i in range(len(requests))]

    def stream(self, seeded: Iterable[tuple[Request, int]]) -> Iterator[tuple[int, Reply]]:
        """Answer requests, each given with its seed; yield (place, reply) as they are answered.

        An error of one is raised at once and ends the others.
        """
        waiting = enumerate(seeded)
        places: dict[asyncio.Task[Reply], int] = {}
        ended: deque[asyncio.Task[Reply]] = deque()
        some = asyncio.Event()

        def note(task: asyncio.Task[Reply]) -> None:
            ended.append(task)
            some.set()

        try:
            while True:
                while len(places) < self.in_flight and (following := next(waiting, None)):
                    place, (request, seed) = following
                    task = self.loop.create_task(self.answer(request, seed))
                    task.add_done_callback(note)
                    places[task] = place
                if not places:
                    return
                # Replies end by the dozen; to enter the loop for each would cost as much again.
                if not ended:
                    some.clear()
                    self.loop.run_until_complete(some.wait())
                task = ended.popleft()
                yield places.pop(task), task.result()
        finally:
            for task in places:
                task.cancel()
            if places:
                self.loop.run_until_complete(asyncio.wait(places))
