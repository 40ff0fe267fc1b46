"""Trainings in processes, by joblib, or on the workers of a Dask cluster.

Scheduling and transport are those of the libraries. If a worker is killed, its training is
started again and resumes from its checkpoint.
"""

import os
import traceback
import warnings
from collections.abc import Generator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from pickle import PicklingError
from typing import Any, NamedTuple

from engine.support.arguments import describe_type
from engine.support.lazy import import_extra
from engine.support.threads import limit_threads
from nn.training import Training

ATTEMPTS = 3  # consecutive ones may end with a killed process and no finished job


class Job(NamedTuple):
    """A training to run: `build(**arguments)` returns it."""

    build: Any  # None while a cluster keeps it
    arguments: dict[str, Any]  # seed and checkpoint included
    threads: int


class Outcome(NamedTuple):
    """The records of a training, the epoch of its weights, and its error, if any."""

    records: list[list[Any]]
    epoch: int
    error: str | None = None
    traceback: str | None = None


def run_job(job: Job) -> Outcome:
    """Train to the end. An error of the training is part of the outcome.

    Raises TypeError if `build` does not return a training that writes the checkpoint.
    """
    with limit_blas_threads(job.threads), limit_threads(job.threads):
        try:
            training = job.build(**job.arguments)
        except Exception as problem:
            return failed_outcome(problem)
        check_training(training, job)
        try:
            for _ in training:
                pass
        except Exception as problem:
            return failed_outcome(problem)
    records = training.checkpoint.records
    age = 0 if training.patience is None else training._best.age
    return Outcome([list(record) for record in records], len(records) - age)


def check_training(training: Any, job: Job) -> None:
    """Raise TypeError unless `build` has passed the checkpoint to `fit` and returned its result."""
    name = getattr(job.build, "__name__", "build")
    if not isinstance(training, Training):
        raise TypeError(
            f"{name} must return the result of fit, a Training that has not run, got "
            f"{describe_type(training)}; write return fit(..., checkpoint=checkpoint), without "
            ".run()"
        )
    path = training.checkpoint and os.fspath(training.checkpoint.path)
    if path != job.arguments["checkpoint"]:
        raise TypeError(
            f"{name} must pass its argument checkpoint to fit, got a training with "
            f"checkpoint={path!r}; write fit(..., checkpoint=checkpoint)"
        )


def failed_outcome(problem: Exception) -> Outcome:
    text = "".join(traceback.format_exception(problem)).rstrip()
    return Outcome([], 0, f"{type(problem).__name__}: {problem}", text)


def limit_blas_threads(count: int) -> Any:
    """Return a context manager that limits the threads of BLAS.

    The number of threads changes the last bits of large matrix products.
    """
    return import_extra("threadpoolctl", "sweep", "sweep").threadpool_limits(count)


def run_in_processes(jobs: Sequence[Job], processes: int) -> Generator[tuple[int, Outcome]]:
    """Yield the number and the outcome of each job, in the order in which they end.

    One process is the current one. Raises BrokenProcessPool if processes are killed again and
    again, and TypeError if the jobs cannot be pickled.
    """
    if processes == 1:
        yield from ((i, run_job(job)) for i, job in enumerate(jobs))
        return
    joblib = import_extra("joblib", "sweep over processes", "sweep")
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    pending, attempts = dict(enumerate(jobs)), 0
    while pending:
        with joblib.parallel_config("loky", inner_max_num_threads=jobs[0].threads):
            parallel = joblib.Parallel(
                min(processes, len(pending)), batch_size=1, return_as="generator_unordered"
            )
        calls = [joblib.delayed(run_numbered)(i, job) for i, job in pending.items()]
        try:
            for i, outcome in parallel(calls):
                attempts = 0
                del pending[i]
                yield i, outcome
        except TerminatedWorkerError as problem:
            attempts += 1
            if attempts == ATTEMPTS:
                raise BrokenProcessPool(
                    f"processes were killed {ATTEMPTS} times in a row; is there enough memory for "
                    f"{processes} of them? The same call resumes the trainings"
                ) from problem
        except (BrokenProcessPool, PicklingError) as problem:
            reason = str(problem.__cause__).strip('"\n').rpartition("\n")[2]  # of a traceback
            raise TypeError(
                f"{jobs[0].build!r} cannot be sent to another process: {reason}; import what it "
                "refers to from a module, or pass processes=1"
            ) from problem


def run_numbered(i: int, job: Job) -> tuple[int, Outcome]:
    return i, run_job(job)


def run_on_cluster(jobs: Sequence[Job], scheduler: Any) -> Generator[tuple[int, Outcome]]:
    """Yield the number and the outcome of each job, in the order in which they end.

    The scheduler is an address, a cluster, or a Client of `distributed`. Jobs that have not started
    are cancelled if the iterator is closed.
    """
    distributed = import_extra("distributed", "sweep on a cluster", "dask")
    is_client = isinstance(scheduler, distributed.Client)
    try:
        connection = nullcontext(scheduler) if is_client else distributed.Client(scheduler)
    except (TypeError, ValueError) as problem:
        raise type(problem)(
            "scheduler must be the address of a Dask scheduler, such as 'tcp://127.0.0.1:8786', a "
            f"cluster or a Client, got {scheduler!r}: {problem}"
        ) from None
    with connection as client:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")  # it is sent once
            build = client.submit(return_build, jobs[0].build, pure=False) if jobs else None
        futures = {
            client.submit(run_build, build, job._replace(build=None), pure=False): i
            for i, job in enumerate(jobs)
        }
        try:
            for future in distributed.as_completed(futures):
                yield futures[future], outcome_of(future)
        finally:
            client.cancel([future for future in futures if not future.done()])


def return_build(build: Any) -> Any:
    """Return `build` and the data that it refers to, as a result that the workers share."""
    return build


def run_build(build: Any, job: Job) -> Outcome:
    return run_job(job._replace(build=build))


def outcome_of(future: Any) -> Outcome:
    """Return the result of a future. A job fails if its workers are killed again and again."""
    from distributed import CancelledError, KilledWorker

    try:
        outcome: Outcome = future.result()
        return outcome
    except (KilledWorker, CancelledError) as problem:
        return failed_outcome(problem)
