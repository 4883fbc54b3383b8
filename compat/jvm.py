"""Programs of the libraries for Java: built by Maven as their users build, run as processes, and what they tell kept as it comes."""

import dataclasses
import functools
import shutil
import subprocess
import threading
import time

import programs
import table
from harness import REGION, ROOT_KEY, Server, clean_environment

# Nothing takes this long but what never comes.
WAIT_S = 180
NEEDS = {"java": "apt-get install default-jdk-headless", "mvn": "apt-get install maven"}
# A short life on few cores: the quick compiler, the collector without helpers, a small heap.
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx384m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=info"]
building = threading.Lock()
# Every server that these programs were given, for what their logs say.
servers = []


def serve(directory, *flags):
    """A server whose key these programs have."""
    servers.append(Server(directory, *flags, key=ROOT_KEY))
    return servers[-1]


def need():
    """That the machine has what these programs need, or the test is skipped (an error where all have to run)."""
    for tool, install in NEEDS.items():
        if shutil.which(tool) is None:
            table.absent("Java", f"{tool} is not installed: `{install}`")


@functools.cache
def classes(program, version):
    """The class path of a program on a version of its library. Registries are asked only for what is not there yet."""
    sources, folder = programs.SOURCES / program, programs.cache(f"{program}-{version}")
    project = folder / "project"

    def work():
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(sources, project)
        repository = programs.cache("java") / "repository"
        words = ["mvn", "--quiet", "--batch-mode", f"-Dmaven.repo.local={repository}", f"-Dlibrary={version}", "prepare-package"]
        try:
            programs.execute(*words, "--offline", cwd=project)
        except AssertionError:
            programs.execute(*words, cwd=project)

    programs.once(sources, folder, work)
    return f"{project / 'target' / 'classes'}:{project / 'target' / 'lib' / '*'}"


class Jvm:
    """A process. `heard` takes each line that it tells, as words."""

    def __init__(self, program, version, main, log, heard, *arguments):
        need()
        with building:
            path = classes(program, version)
        environment = clean_environment() | {
            "AWS_ACCESS_KEY_ID": ROOT_KEY[0], "AWS_SECRET_ACCESS_KEY": ROOT_KEY[1], "AWS_REGION": REGION,
        }  # fmt: skip
        self.log, self.heard = log, heard
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(
                [*JAVA, "-cp", path, main, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
            )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            # What was cut by the process's death was not told.
            if line.endswith("\n"):
                self.heard(line.rstrip("\n").split("\t"))

    def say(self, *words):
        self.process.stdin.write("\t".join(words) + "\n")
        self.process.stdin.flush()

    def kill(self):
        """SIGKILL. What it had told by then has been read when this returns."""
        self.process.kill()
        self.process.wait()
        self.reader.join()

    def until(self, holds, what, wait_s=WAIT_S):
        """Waits until it holds, which may be long on a busy machine, but not if the process has ended."""
        deadline = time.monotonic() + wait_s
        while not holds():
            ended = self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                why = f"the process ended with {self.process.returncode}" if ended else f"not in {wait_s} s"
                raise AssertionError(f"{what}: {why}\n{self.log.read_text(errors='replace')[-6000:]}")
            time.sleep(0.05)


@dataclasses.dataclass(frozen=True)
class Event:
    """What a worker told: of the machine's one monotonic clock, so that events of several processes have an order."""

    worker: str
    at_ns: int
    kind: str
    stream: str = ""
    shard: str = ""
    rest: tuple = ()

    @classmethod
    def of(cls, words):
        """From the words of a line."""
        worker, at_ns, kind, *more = words
        stream, shard, *rest = more + [""] * max(0, 2 - len(more))
        return cls(worker, int(at_ns), kind, stream, shard, tuple(rest))

    @property
    def position(self):
        """Of a record: sequence and sub-sequence number."""
        return int(self.rest[0]), int(self.rest[1])

    @property
    def data(self):
        """Of a record: its text, without what only makes it long."""
        return self.rest[3].rstrip()


# What is shorter here than it comes is how long the library waits, not what it does: a test has no minutes.
QUICK_2 = {
    "coordinator.parentShardPollIntervalMillis": 500,
    "coordinator.shardConsumerDispatchPollIntervalMillis": 100,
    "lease.failoverTimeMillis": 3000,
    "lease.shardSyncIntervalMillis": 1000,
    "lifecycle.taskBackoffTimeMillis": 200,
    "metrics.metricsBufferTimeMillis": 1000,
}
QUICK = {
    "1": {
        "withParentShardPollIntervalMillis": 500,
        "withShardSyncIntervalMillis": 1000,
        "withFailoverTimeMillis": 3000,
        "withTaskBackoffTimeMillis": 200,
        "withMetricsBufferTimeMillis": 1000,
    },
    "2": QUICK_2,
    "3": QUICK_2
    | {
        "lease.leaseAssignmentIntervalMillis": 1000,
        "lease.dynamoDbLockBasedLeaderLeaseDurationInMillis": 6000,
        "lease.dynamoDbLockBasedLeaderHeartbeatPeriodInMillis": 1500,
        "lease.workerUtilizationAwareAssignmentConfig.workerMetricsReporterFreqInMillis": 2000,
        "lease.workerUtilizationAwareAssignmentConfig.varianceBalancingFrequency": 1,
        "lease.workerUtilizationAwareAssignmentConfig.inMemoryWorkerMetricsCaptureFrequencyMillis": 500,
    },
}


class Host:
    """A process on a version of the KCL, with any number of workers in it."""

    def __init__(self, version, log):
        self.version, self.workers = version, {}
        program = "kcl1" if version.startswith("1.") else "kcl"
        self.jvm = Jvm(program, version, "compat.Worker", log, self.heard)

    def heard(self, words):
        event = Event.of(words)
        self.workers[event.worker].heard(event)

    def start(self, name, endpoint, stream, application, **settings):
        """Starts a worker. Names are for once in a process."""
        assert name not in self.workers
        worker = self.workers[name] = Worker(self, name)
        given = {"endpoint": endpoint, "stream": stream, "application": application} | QUICK[self.version[0]] | settings
        self.jvm.say("start", name, *(f"{key}={value}" for key, value in given.items()))
        return worker

    def kill(self):
        """The workers die as with the machine's power."""
        for worker in self.workers.values():
            worker.was_killed = worker.was_killed or not worker.has_stopped
        self.jvm.kill()


class Worker:
    """A worker of an application, and what it has told so far."""

    def __init__(self, host, name):
        self.host, self.name = host, name
        self.events, self.data = [], set()
        # When the newest record of a shard came.
        self.newest = {}
        self.was_killed = self.has_stopped = False

    def heard(self, event):
        if event.kind == "record":
            self.data.add(event.data)
            self.newest[event.shard] = event.at_ns
        self.has_stopped = self.has_stopped or event.kind == "stopped"
        self.events.append(event)

    def records(self):
        return [event for event in list(self.events) if event.kind == "record"]

    def shards(self, kind):
        """The shards of which it told this."""
        return {event.shard for event in list(self.events) if event.kind == kind}

    def until(self, holds, what, wait_s=WAIT_S):
        self.host.jvm.until(holds, f"{self.name}: {what}; last told: {self.events[-3:]}", wait_s)

    def stop(self):
        """The worker checkpoints, gives its leases back and ends."""
        self.host.jvm.say("stop", self.name)
        self.until(lambda: self.has_stopped, "a graceful end")
        [how] = [event.stream for event in self.events if event.kind == "stopped"]
        assert how == "true", how

    def halt(self):
        """The worker ends and leaves its leases to expire."""
        self.host.jvm.say("halt", self.name)
        self.until(lambda: self.has_stopped, "an end")


class Producer:
    """A process that writes user records through the KPL over TLS, and what became of each, by its number."""

    def __init__(self, version, server, stream, log, *, rate, size, outstanding):
        self.stored, self.failed, self.count = {}, {}, None
        given = {
            "port": server.tls_endpoint.rsplit(":", 1)[1], "authority": server.authority, "stream": stream,
            "rate": rate, "size": size, "outstanding": outstanding,
        }  # fmt: skip
        words = [f"{key}={value}" for key, value in given.items()]
        self.jvm = Jvm("kpl", version, "compat.Producer", log, self.heard, *words)

    def heard(self, words):
        match words:
            case ["ok", number, shard, sequence, errors]:
                self.stored[number] = (shard, int(sequence), errors.split(",") if errors else [])
            case ["failed", number, why]:
                self.failed[number] = why
            case ["done", count]:
                self.count = int(count)

    def until(self, holds, what):
        self.jvm.until(holds, f"the producer, with {len(self.stored)} records stored: {what}")

    def stop(self):
        """No more records; waits until it is known what became of each."""
        self.jvm.say("stop")
        # The process may end when it has told everything, before anybody has looked.
        self.jvm.process.wait(timeout=WAIT_S)
        self.jvm.reader.join()
        assert self.count == len(self.stored) + len(self.failed), (self.count, len(self.stored), len(self.failed))
