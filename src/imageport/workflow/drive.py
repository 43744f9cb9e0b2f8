"""Doing a plan: jobs are asked for, followed to their ends, and cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from imageport.client import Client, ServiceUnreachable, calls
from imageport.model.errors import RemoteError
from imageport.model.service import JobStatus
from imageport.wire.documents import Job
from imageport.workflow.plan import Plan, Step, told
from imageport.workflow.record import Entry, Record
from imageport.workflow.wanted import requested

_NOT_FOUND = "service.not-found"
_CONFLICT = "service.conflict"
_SHORTEST_PAUSE = 0.5
_PAUSE_PER_JOB = 0.04
"""Seconds: with many jobs, questions stay well below what a service answers one client."""
_PATIENCE = 3600.0
"""Seconds that a service may be away while its jobs are followed."""

Seen = Callable[[str, Job | None], None]
"""Hears of a job now and then, by the name that it was given here; None: there is none."""


@dataclass
class Follower:
    """Asks a service how jobs are; `away` hears when it does not answer."""

    client: Client
    away: Callable[[ServiceUnreachable], None]

    def job(self, id: str) -> Job | None:
        """None when there is none (any more). Raises RemoteError, ServiceUnreachable."""
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                return self.client.send(calls.job(id))
            except RemoteError as error:
                if error.code == _NOT_FOUND:
                    return None
                raise
            except ServiceUnreachable as error:
                if time.monotonic() > until:
                    raise
                self.away(error)

    def follow(self, jobs: Mapping[str, str], seen: Seen) -> None:
        """Until every one has ended; `jobs` are ids by name."""
        left = dict(jobs)
        while left:
            for name, id in list(left.items()):
                job = self.job(id)
                seen(name, job)
                if job is None or job.overall_status.ended:
                    del left[name]
            if left:
                time.sleep(max(_SHORTEST_PAUSE, _PAUSE_PER_JOB * len(left)))

    def cancel(self, jobs: Mapping[str, str], seen: Seen) -> None:
        """Ask for their ends, and wait until they have cleaned up."""
        for id in jobs.values():
            try:
                self.client.send(calls.cancel(id))
            except RemoteError as error:
                if error.code not in (_NOT_FOUND, _CONFLICT):
                    raise
        self.follow(jobs, seen)


@dataclass
class Run:
    """A run under way. Every change is in its record before anything else happens."""

    record: Record
    follower: Follower

    def cancel_stray(self, plan: Plan) -> None:
        """End jobs that nobody asks for any more: they may write what others will."""
        self._cancel(plan.stray)

    def start(self, step: Step) -> None:
        """Ask for the step's job. One that the service refuses has failed; raises no more than
        ServiceUnreachable."""
        self._keep(step.wanted.identity, step.entry)
        self._ask(step.wanted.identity)

    def _ask(self, identity: str) -> None:
        entry = self.record.entries[identity]
        wanted = requested(entry)
        key = wanted.key(entry.attempt, entry.salt)
        try:
            job = self.follower.client.send(calls.start(wanted.request, key=key))
        except RemoteError as error:
            said = {"status": JobStatus.ERROR, "error": error.as_dict()}
            self._keep(identity, entry.model_copy(update=said))
            return
        # What it says of a job that an earlier command began is how that was then.
        self._keep(identity, told(entry, job))

    def follow(self, steps: Iterable[Step], seen: Seen) -> None:
        """Follow the steps' jobs to their ends."""
        entries = {step.wanted.identity: self.entry(step) for step in steps}
        jobs = {key: each.job for key, each in entries.items() if each.job and each.open}
        self.follower.follow(jobs, self._noting(seen))

    def cancel(self, steps: Iterable[Step]) -> None:
        """End what is under way."""
        self._cancel([step.wanted.identity for step in steps])

    def entry(self, step: Step) -> Entry:
        """What is known of the step by now."""
        return self.record.entries.get(step.wanted.identity, step.entry)

    def _cancel(self, identities: Iterable[str]) -> None:
        begun = [each for each in identities if each in self.record.entries]
        for identity in begun:
            entry = self.record.entries[identity]
            if entry.job is None and entry.open:
                # Whether there is a job is only known once it is asked for again.
                self._ask(identity)
        entries = {each: self.record.entries[each] for each in begun}
        jobs = {key: each.job for key, each in entries.items() if each.job and each.open}
        self.follower.cancel(jobs, self._noting(lambda _name, _job: None))

    def _noting(self, seen: Seen) -> Seen:
        def both(identity: str, job: Job | None) -> None:
            entry = told(self.record.entries[identity], job)
            if entry != self.record.entries[identity]:
                self._keep(identity, entry)
            seen(identity, job)

        return both

    def _keep(self, identity: str, entry: Entry) -> None:
        self.record.entries[identity] = entry
        self.record.save()


def dry_runs(follower: Follower, steps: Iterable[Step], seen: Seen) -> dict[str, Job | RemoteError]:
    """How a dry run of each ended, or why the service took none, by identity.

    All are cancelled when the user stops it.
    """
    ended: dict[str, Job | RemoteError] = {}
    jobs: dict[str, str] = {}

    def noting(identity: str, job: Job | None) -> None:
        seen(identity, job)
        if job is not None and job.overall_status.ended:
            ended[identity] = job

    try:
        for step in steps:
            identity = step.wanted.identity
            try:
                call = calls.start(step.wanted.request, dry_run=True)
                jobs[identity] = follower.client.send(call).id
            except RemoteError as error:
                ended[identity] = error
        follower.follow(jobs, noting)
    except KeyboardInterrupt:
        follower.cancel(jobs, noting)
        raise
    return ended
