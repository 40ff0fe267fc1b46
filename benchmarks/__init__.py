"""What `make bench` measures: stepgrad against other libraries, each in processes of its own.

    python -m benchmarks            every table, in less than 3 minutes
    python -m benchmarks --quick    the same in about 20 seconds, with less certain figures

A table is a file: the workload, which runs in a fresh process (`python -m benchmarks.moons default
off` prints one process's figures as JSON), and the function that starts such processes in turn and
lays their figures out. Importing a table imports no engine: a worker holds the one it measures.
"""
