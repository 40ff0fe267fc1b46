"""What `make bench` measures: stepgrad against other libraries, each in processes of its own.

    python -m benchmarks            every table, in about 10 minutes
    python -m benchmarks --quick    the same in about two minutes, with less certain figures

Peers are optional: `pip install -e '.[peers]'` brings them all, some gigabytes with PyTorch's parts
for GPUs, and a table says which are missing.

A table is a file: the workload, which runs in a fresh process (`python -m benchmarks.moons default
off` prints one process's figures as JSON), and the function that starts such processes in turn and
lays their figures out. Importing a table imports no engine: a worker holds the one it measures.
"""
