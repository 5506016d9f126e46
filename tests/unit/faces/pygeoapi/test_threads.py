"""How many requests pygeoapi's Starlette application answers at once."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from pygeoapi_prefect.faces.pygeoapi.threads import make_room

COUNT = 50


def answered_as_pygeoapi_does(loop: asyncio.AbstractEventLoop) -> str:
    asyncio.set_event_loop(loop)
    make_room(COUNT)
    return threading.current_thread().name


def test_after_the_first_request_as_many_are_answered_at_once_as_are_needed() -> None:
    all_at_once = threading.Barrier(COUNT)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, answered_as_pygeoapi_does, loop)
        waiting = [loop.run_in_executor(None, all_at_once.wait) for _ in range(COUNT)]
        await asyncio.wait_for(asyncio.gather(*waiting), 60)

    asyncio.run(serve())


def test_threads_that_somebody_chose_are_left_alone() -> None:
    async def serve() -> set[str]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1, thread_name_prefix="chosen"))
        answers = [
            await loop.run_in_executor(None, answered_as_pygeoapi_does, loop) for _ in range(2)
        ]
        return set(answers)

    assert asyncio.run(serve()) == {"chosen_0"}
