"""What every script here asks of the machine."""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
LISTENING = re.compile(r"^rheos listening on (http://\S+)(?: and (https://\S+))?")

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


def processor_seconds(pid):
    """What a process without its children has taken of the processor so far."""
    # utime and stime of all threads are fields 14 and 15 of the line, 11 and 12 after the name.
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def build(*more):
    """The folder with the release build of Rheos, and of what else cargo is asked for."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
    say(f"building Rheos {' '.join(more)} (release)")
    cargo = ["cargo", "build", "--release", "--target-dir", str(target), "--package", "rheos", "--bin", "rheos"]
    subprocess.run([*cargo, *more], cwd=ROOT, check=True)
    return target / "release"


def build_with_example(example):
    """The folder with the release build of Rheos and, in `examples`, of an example of rheos-client."""
    return build("--package", "rheos-client", "--example", example)


class Server:
    """A Rheos with nothing in it, and what the programs of its users have in their environment."""

    def __init__(self, rheos, data, *flags, runner=()):
        command = [*runner, str(rheos), "serve", "--listen", "127.0.0.1:0", "--data-dir", str(data), *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        first = self.process.stdout.readline()
        found = LISTENING.search(first) or sys.exit(f"Rheos does not start: {first}")
        self.plain, self.tls = found.groups()
        stored = json.loads((data / "root-credentials.json").read_text())
        self.environment = dict(
            os.environ, AWS_ENDPOINT_URL=self.plain, AWS_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true",
            AWS_ACCESS_KEY_ID=stored["access_key_id"], AWS_SECRET_ACCESS_KEY=stored["secret_access_key"],
        )

    def stop(self):
        self.process.terminate()
        self.process.wait()
