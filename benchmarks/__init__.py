"""Benchmarks of stepgrad and other libraries, which `make bench` runs, each in its own processes.

    python -m benchmarks            all tables, in about 15 minutes
    python -m benchmarks --quick    all tables, in about four minutes, with more noise
    python -m benchmarks.tape       the tables of tapes
    python -m benchmarks.hops       functions, files and lines that a call runs; no times

The peers are optional. `pip install -e '.[peers]'` installs them all (gigabytes, as PyTorch
includes its GPU libraries); tapes need numba, which `.[jit]` installs. A table says what is
missing.

Each file is one table. It has the workload, which runs in a fresh process (`python -m
benchmarks.moons default off` prints the figures of one process as JSON), and a function `table`
that starts such processes in turn and formats their figures. Importing the file of a table imports
no engine: a worker imports the one that it measures (`benchmarks.node` imports two and alternates).
"""
