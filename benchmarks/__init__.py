"""What `make bench` measures: stepgrad against other libraries, each in processes of its own.

    python -m benchmarks            every table, in about 15 minutes
    python -m benchmarks --quick    the same in about four minutes, with less certain figures
    python -m benchmarks.tape       the tables of tapes alone, which are several files
    python -m benchmarks.hops       functions, files and lines that a call passes through; no times

Peers are optional: `pip install -e '.[peers]'` brings them all, some gigabytes with PyTorch's parts
for GPUs; tapes need numba, which is in `.[jit]`. A table says what is missing.

A table is a file: the workload, which runs in a fresh process (`python -m benchmarks.moons default
off` prints one process's figures as JSON), and the function that starts such processes in turn and
lays their figures out. Importing a table imports no engine: a worker holds the one it measures
(`benchmarks.node` holds two, which alternate).
"""
