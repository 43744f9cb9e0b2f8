"""What `bench.dispatch` measures, by procrastinate: `.peers/bin/python THIS URL JOBS WORKERS RATE`.

Workers of one process, each with its own connection that listens, as many processes would have; a
job is over as soon as it begins. Prints the times from a job's deferral to its start.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import sys
import time

import procrastinate


def _app(url: str) -> procrastinate.App:
    return procrastinate.App(
        connector=procrastinate.PsycopgConnector(conninfo=url, min_size=1, max_size=2)
    )


async def _measure(url: str, jobs: int, workers: int, rate: float) -> list[float]:
    waited: list[float] = []
    apps = [_app(url) for _ in range(workers)]
    for app in apps:

        @app.task(name="work", queue="bench")  # type: ignore[untyped-decorator]  # not here
        async def work(asked: float) -> None:
            waited.append(time.monotonic() - asked)

        await app.open_async()
    await apps[0].schema_manager.apply_schema_async()
    running = [
        asyncio.create_task(
            app.run_worker_async(
                queues=["bench"], concurrency=1, install_signal_handlers=False, delete_jobs="always"
            )
        )
        for app in apps
    ]
    await asyncio.sleep(5)
    began = time.monotonic()
    asking = []
    for number in range(jobs):
        await asyncio.sleep(max(0, began + number / rate - time.monotonic()))
        deferrer = apps[number % workers].configure_task("work", queue="bench")
        asking.append(asyncio.create_task(deferrer.defer_async(asked=time.monotonic())))
    await asyncio.gather(*asking)
    while len(waited) < jobs:
        await asyncio.sleep(0.1)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for app in apps:
        await app.close_async()
    return waited


def main(url: str, jobs: int, workers: int, rate: float) -> None:
    """Measure and print."""
    logging.disable(logging.WARNING)  # it warns of each app that is made in the main program
    found = statistics.quantiles(asyncio.run(_measure(url, jobs, workers, rate)), n=100)
    print(f"\nprocrastinate: {jobs} jobs, {rate:g} a second, to {workers} workers that listen")
    print(
        f"  defer to start   median {found[49] * 1000:7.1f} ms   95 % {found[94] * 1000:7.1f} ms   "
        f"99 % {found[98] * 1000:7.1f} ms"
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
