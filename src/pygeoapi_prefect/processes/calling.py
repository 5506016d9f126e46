"""Calling functions of users, whether they are coroutine functions or not."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any


def call(function: Callable[..., Any], /, **arguments: Any) -> Any:
    """Return what a function returns, or the coroutine that it returns."""
    value = function(**arguments)
    return asyncio.run(_result_of(value)) if inspect.isawaitable(value) else value


async def _result_of[T](awaitable: Awaitable[T]) -> T:
    return await awaitable
