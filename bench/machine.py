"""What every script here asks of the machine."""

import pathlib
import socket
import sys

# Records that are read over and over: enough to be data rather than a cache line, few enough for the slowest peer to take.
FILL = 50_000
# What is measured, as arguments of `rheos bench`.
WORKLOADS = {
    "PutRecords": ["put", "--batch", "500", "--connections", "4"],
    "PutRecord": ["put", "--batch", "1", "--connections", "16"],
    "GetRecords": ["get", "--batch", "500", "--connections", "4", "--fill", str(FILL)],
}


def say(text):
    """Progress, which is not the result."""
    print(text, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def memory_kib(pid, name):
    """What the system says of a process's memory, such as `VmHWM`, its peak; None once it has gone."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
    except OSError:
        pass
    return None


def memory_mib(pid, name):
    return (memory_kib(pid, name) or 0) / 1024
