"""Unmodified kclpy and the unmodified KCL for Node under `rheos kcl`: no Java, one server for the stream and for the leases. And one that comes from Java."""

import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import pytest

import jvm
import table
from harness import REGION, clean_environment, program
from programs import SOURCES, cache, execute, once
from reading import wait_active

KCLPY, KCLPY_1 = "amazon_kclpy==3.2.0", "amazon_kclpy==1.5.1"
# The daemon for Java that is part of the KCL itself. That of 2.x and 3.x is another package, which not every registry has.
KCL_1, JAVA_DAEMON = "1.15.3", "com.amazonaws.services.kinesis.multilang.MultiLangDaemon"
NODE = SOURCES / "kcl-node"
PYTHON_APPLICATION = SOURCES / "kcl-python" / "application.py"


def kclpy(package=KCLPY):
    """The package as pip has it, without the jars that its installation would fetch."""
    folder = cache("kclpy" if package == KCLPY else "kclpy-1")

    def work():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        command = ["download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(folder), package]
        execute(sys.executable, "-m", "pip", *command, cwd=folder)
        (archive,) = folder.glob("*.tar.gz")
        with tarfile.open(archive) as source:
            source.extractall(folder, filter="data")

    once(PYTHON_APPLICATION.parent, folder, work)
    return folder / package.replace("==", "-")


def node():
    """The KCL for Node as npm has it, beside the application."""
    folder = cache("kcl-node")

    def work():
        project = folder / "project"
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(NODE, project)
        words = ["clean-install", "--ignore-scripts", "--no-audit", "--no-fund", f"--cache={folder / 'packages'}", "--prefer-offline"]
        execute("npm", *words, cwd=project)

    once(NODE, folder, work)
    return folder / "project"


class Application:
    """A properties file, the environment of a machine without Java, and the daemon."""

    def __init__(self, server, folder, executable, stream, name, tools=(), **properties):
        self.server, self.folder = server, folder
        self.out, self.log, self.properties = folder / "out", folder / "daemon.log", folder / "application.properties"
        self.out.touch()
        lines = {
            "executableName": executable,
            "streamName": stream,
            "applicationName": name,
            "initialPositionInStream": "TRIM_HORIZON",
            "regionName": REGION,
            "kinesisEndpoint": server.endpoint,
            "dynamoDBEndpoint": server.endpoint,
            "failoverTimeMillis": 3000,
            "parentShardPollIntervalMillis": 500,
            "shardSyncIntervalMillis": 2000,
        } | properties
        self.properties.write_text("".join(f"{key} = {value}\n" for key, value in lines.items()))
        # What there is on this machine's PATH: nothing but these.
        self.path = folder / "bin"
        self.path.mkdir()
        for tool in tools:
            (self.path / tool).symlink_to(shutil.which(tool))
        assert shutil.which("java", path=str(self.path)) is None
        self.environment = clean_environment() | {
            "AWS_ACCESS_KEY_ID": server.key[0],
            "AWS_SECRET_ACCESS_KEY": server.key[1],
            "APPLICATION_OUT": str(self.out),
            "PATH": str(self.path),
        }
        self.environment.pop("JAVA_HOME", None)
        self.daemon = None

    def start(self, command):
        with open(self.log, "ab") as log:
            self.daemon = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, cwd=self.folder,
                start_new_session=True,
            )

    def lines(self):
        return self.out.read_text().splitlines()

    def told(self):
        return "\n".join([*self.lines(), self.log.read_text(errors="replace")[-6000:]])

    def until(self, condition, seconds=120):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline and self.daemon.poll() is None, self.told()
            time.sleep(0.1)

    def given(self):
        return {line.split()[2] for line in self.lines() if line.startswith("record ")}

    def count(self, word):
        return len([line for line in self.lines() if line.startswith(f"{word} ")])

    def stop(self):
        self.daemon.send_signal(signal.SIGTERM)
        assert self.daemon.wait(timeout=60) == 0, self.told()

    def interrupt(self):
        """Ctrl-C: the terminal tells it to everything that it thinks is of the command."""
        os.killpg(self.daemon.pid, signal.SIGINT)
        assert self.daemon.wait(timeout=60) == 0, self.told()

    def kill(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()


def leases(server, name):
    return {row["leaseKey"]["S"]: row for row in server.boto3("dynamodb").scan(TableName=name)["Items"]}


def rheos(server, *words):
    done = subprocess.run(
        [program(), *words, "--endpoint-url", server.endpoint, "--data-dir", str(server.data)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, env=clean_environment(), timeout=120,
    )
    return done


def processed(server, name):
    """What the daemon has told CloudWatch: from which shards records were processed, and how many."""
    cloudwatch = server.boto3("cloudwatch")
    found = cloudwatch.list_metrics(Namespace=name, MetricName="RecordsProcessed")["Metrics"]
    now, shards, records = datetime.datetime.now(datetime.UTC), set(), 0
    for metric in found:
        points = cloudwatch.get_metric_statistics(
            **metric, StartTime=now - datetime.timedelta(minutes=10), EndTime=now + datetime.timedelta(minutes=10),
            Period=60, Statistics=["Sum"],
        )["Datapoints"]
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in metric["Dimensions"]}
        assert dimensions.pop("Operation") == "ProcessTask"
        shards.add(dimensions["ShardId"])
        records += sum(point["Sum"] for point in points)
    return shards, records


def put(kinesis, stream, payloads):
    for payload in payloads:
        kinesis.put_record(StreamName=stream, PartitionKey=f"key-{payload}", Data=payload.encode())


def python_command(application, package):
    """The command that the helper of kclpy prints, with a link named java in place of Java."""
    java = application.folder / "java"
    java.symlink_to(program())
    helper = package / "samples" / "amazon_kclpy_helper.py"
    words = [sys.executable, str(helper), "--print_command", "--java", str(java), "--properties", application.properties.name]
    environment = application.environment | {"PYTHONPATH": str(package)}
    printed = subprocess.run(words, check=True, capture_output=True, text=True, env=environment, cwd=application.folder)
    assert "software.amazon.kinesis.multilang.MultiLangDaemon" in printed.stdout, printed
    return printed.stdout.split()


def node_command(application):
    return [program(), "kcl", "--properties-file", str(application.properties)]


def begin(client, mode, server, stream, name, folder):
    """An application of one of the libraries; the process of each shard dies once, before it has checkpointed."""
    if client == "kclpy":
        package = kclpy()
        executable = f"{sys.executable} {PYTHON_APPLICATION}"
        application = Application(server, folder, executable, stream, name, retrievalMode=mode)
        application.environment["PYTHONPATH"] = str(package)
        application.start(python_command(application, package))
    else:
        if shutil.which("npm") is None:
            table.absent("KCL for Node", "npm is not installed: `apt-get install npm`")
        executable = f"node {node() / 'application.js'}"
        application = Application(server, folder, executable, stream, name, tools=["node"], retrievalMode=mode)
        application.start(node_command(application))
    return application


@pytest.mark.parametrize("client, mode", [("kclpy", "POLLING"), ("kclpy", "FANOUT"), ("node", "POLLING")])
def test_an_application_runs_without_java(server, kinesis, stream, name, tmp_path, client, mode):
    made = stream(2)
    payloads = [f"{number}" for number in range(40)]
    put(kinesis, made, payloads)
    application = begin(client, mode, server, made, name, tmp_path)
    try:
        application.until(lambda: application.given() == set(payloads))
        application.until(lambda: len({line for line in application.lines() if line.startswith("checkpoint ")}) == 2)
        # One process died in each shard, and the records that it had not checkpointed came again to the next one.
        assert application.count("initialize") == 4, application.told()
        kinesis.split_shard(StreamName=made, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**126))
        wait_active(kinesis, made)
        later = [f"later-{number}" for number in range(40)]
        put(kinesis, made, later)
        application.until(lambda: application.given() == set(payloads + later))
        order = application.lines()
        ended = order.index("ended shardId-000000000000")
        children = {"shardId-000000000002", "shardId-000000000003"}
        assert all(order.index(line) > ended for line in order if line.split()[1] in children), application.told()

        def lags():
            listed = rheos(server, "group", "lag", name, made, "--records")
            assert listed.returncode == 0, listed.stderr
            lines = [json.loads(line) for line in listed.stdout.splitlines()]
            return {lag["shard"]: (lag["millis_behind_latest"], lag["records"]) for lag in lines}

        application.until(lambda: lags() == {f"shardId-{number:012}": (0, 0) for number in (1, 2, 3)})
        application.interrupt()
    finally:
        application.kill()
    # Each process was asked to finish before its lease was given back, and not ended by the Ctrl-C itself.
    assert application.count("shutdown") == 3, application.told()
    rows = leases(server, name)
    assert set(rows) == {f"shardId-{number:012}" for number in range(4)}
    assert rows["shardId-000000000000"]["checkpoint"]["S"] == "SHARD_END"
    assert all("leaseOwner" not in row for row in rows.values()), rows
    # Two of the processes died with records of the first eighty.
    assert processed(server, name) == (set(rows), len(payloads + later))


def kclpy_1_application(server, folder, stream, name, **properties):
    """An application of kclpy 1.x, whose daemon is the one for Java of 1.x by its launcher's command line."""
    executable = f"{sys.executable} {PYTHON_APPLICATION.with_name('application_1.py')}"
    application = Application(server, folder, executable, stream, name, retrievalMode="POLLING", **properties)
    application.environment["PYTHONPATH"] = str(kclpy(KCLPY_1))
    return application


def test_an_application_of_kclpy_1_is_told_the_end_in_its_words(server, kinesis, stream, name, tmp_path):
    made = stream(1)
    put(kinesis, made, [f"{number}" for number in range(20)])
    application = kclpy_1_application(server, tmp_path, made, name)
    java = application.path / "java"
    java.symlink_to(program())
    try:
        application.start([str(java), "-cp", str(tmp_path), JAVA_DAEMON, application.properties.name])
        application.until(lambda: len(application.given()) == 20)
        kinesis.split_shard(StreamName=made, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
        wait_active(kinesis, made)
        put(kinesis, made, [f"later-{number}" for number in range(20)])
        application.until(lambda: len(application.given()) == 40)
        application.stop()
    finally:
        application.kill()
    assert application.lines().count("TERMINATE shardId-000000000000") == 1 and application.count("initialize") == 3, application.told()
    assert application.count("shutdown") == application.count("ZOMBIE") == 2, application.told()
    assert leases(server, name)["shardId-000000000000"]["checkpoint"]["S"] == "SHARD_END"


def test_an_application_moves_from_the_daemon_for_java_to_rheos(server, kinesis, stream, name, tmp_path):
    """Unmodified kclpy under the unmodified daemon for Java, and then under `rheos kcl` with the same file and the same lease table."""
    jvm.need()
    made = stream(2)
    before = [f"{number}" for number in range(40)]
    put(kinesis, made, before)
    # The daemon of 1.x has no key for the endpoint of CloudWatch.
    application = kclpy_1_application(
        server, tmp_path, made, name,
        metricsLevel="NONE", AWSCredentialsProvider="DefaultAWSCredentialsProviderChain", **{"rheos.protocol": 1},
    )  # fmt: skip
    try:
        path = f"{jvm.classes('kcl1', KCL_1)}:{tmp_path}"
        application.start([shutil.which("java"), *jvm.JAVA[1:], "-cp", path, JAVA_DAEMON, application.properties.name])
        application.until(lambda: application.given() == set(before))
        kinesis.split_shard(StreamName=made, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**126))
        wait_active(kinesis, made)
        meanwhile = [f"meanwhile-{number}" for number in range(40)]
        put(kinesis, made, meanwhile)
        application.until(lambda: application.given() == set(before + meanwhile))
        assert application.lines().count("TERMINATE shardId-000000000000") == 1, application.told()
        application.until(lambda: {row["checkpoint"]["S"] for row in leases(server, name).values()}.isdisjoint({"TRIM_HORIZON"}))
        application.daemon.send_signal(signal.SIGTERM)
        application.daemon.wait(timeout=60)
        assert application.count("record") == 80, "nothing came twice"

        later = [f"later-{number}" for number in range(40)]
        put(kinesis, made, later)
        application.start([program(), "kcl", "--properties-file", str(application.properties)])
        application.until(lambda: application.given() == set(before + meanwhile + later))
        application.stop()
    finally:
        application.kill()
    assert application.count("record") == 120, "it went on where the other had stopped"
    assert set(leases(server, name)) == {f"shardId-{number:012}" for number in range(4)}


def test_a_record_that_no_process_survives_goes_to_the_dead_letters_and_back(server, kinesis, stream, name, tmp_path):
    made, letters = stream(1), f"{name}-dead"
    kinesis.create_stream(StreamName=letters, ShardCount=2)
    wait_active(kinesis, letters)
    put(kinesis, made, ["a", "poison", "b"])
    application = Application(
        server, tmp_path, f"{sys.executable} {PYTHON_APPLICATION}", made, name,
        retrievalMode="POLLING", taskBackoffTimeMillis=50, **{"rheos.deadLetterStream": letters, "rheos.attempts": 2},
    )  # fmt: skip
    application.environment |= {"PYTHONPATH": str(kclpy()), "APPLICATION_DIES_OF": "poison"}
    try:
        application.start([program(), "kcl", "-p", str(application.properties)])
        application.until(lambda: application.given() == {"a", "poison", "b"} and application.count("checkpoint") > 0)

        def listed():
            done = rheos(server, "group", "dead-letters", "ls", letters)
            assert done.returncode == 0, done.stderr
            return [json.loads(line) for line in done.stdout.splitlines()]

        application.until(lambda: len(listed()) == 1)
        (letter,) = listed()
        what = {key: letter[key] for key in ("application", "stream", "shard", "partition_key", "data", "put_back")}
        assert what == {
            "application": name, "stream": made, "shard": "shardId-000000000000", "partition_key": "key-poison",
            "data": "poison", "put_back": False,
        }  # fmt: skip
        assert "exit status: 7" in letter["cause"], letter
        refused = rheos(server, "group", "dead-letters", "replay", letters)
        assert refused.returncode == 1 and "--yes" in refused.stderr, refused
        tried = rheos(server, "group", "dead-letters", "replay", letters, "--dry-run")
        assert tried.returncode == 0 and not tried.stdout and "1 records go back" in tried.stderr, tried
        # The application has been mended.
        (tmp_path / "out.mended").touch()
        done = rheos(server, "group", "dead-letters", "replay", letters, "--yes")
        assert done.returncode == 0, done.stderr
        put_back = json.loads(done.stdout)
        assert (put_back["letter"], put_back["stream"]) == (letter["letter"], made)
        application.until(lambda: "checkpointed poison" in application.lines())
        assert [letter["put_back"] for letter in listed()] == [True]
        again = rheos(server, "group", "dead-letters", "replay", letters, "--yes")
        assert again.returncode == 0 and not again.stdout and "put back before" in again.stderr, again
        nobody = rheos(server, "group", "dead-letters", "replay", letters, "--letter", "17", "--yes")
        assert nobody.returncode == 1 and "no letter 17" in nobody.stderr, nobody
        application.stop()
    finally:
        application.kill()


def test_an_application_is_moved_only_while_it_does_not_run(server, kinesis, stream, name, tmp_path):
    made = stream(2)
    put(kinesis, made, [f"old-{number}" for number in range(20)])
    executable = f"{sys.executable} {PYTHON_APPLICATION}"
    application = Application(server, tmp_path, executable, made, name, retrievalMode="POLLING")
    application.environment |= {"PYTHONPATH": str(kclpy()), "APPLICATION_DIES_OF": "nothing"}
    command = [program(), "kcl", "-p", str(application.properties)]
    try:
        application.start(command)
        application.until(lambda: len(application.given()) == 20)
        refused = rheos(server, "group", "reset", name, made, "--to", "TRIM_HORIZON", "--yes")
        assert refused.returncode == 1 and "are being read" in refused.stderr and "--force" in refused.stderr, refused
        application.stop()
        time.sleep(1.2)
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        time.sleep(1.2)
        put(kinesis, made, [f"new-{number}" for number in range(20)])
        before = leases(server, name)
        tried = rheos(server, "group", "reset", name, made, "--to", moment, "--dry-run")
        assert tried.returncode == 0, tried.stderr
        plan = [json.loads(line) for line in tried.stdout.splitlines()]
        assert [step["shard"] for step in plan] == ["shardId-000000000000", "shardId-000000000001"], plan
        assert leases(server, name) == before, "it was to show what it would do"
        # Everything once more.
        done = rheos(server, "group", "reset", name, made, "--to", "TRIM_HORIZON", "--yes")
        assert done.returncode == 0, done.stderr
        application.out.write_text("")
        application.start(command)
        application.until(lambda: len(application.given()) == 40)
        application.stop()
        # From a time on: none that is older, and all that is not.
        done = rheos(server, "group", "reset", name, made, "--to", moment, "--yes")
        assert done.returncode == 0, done.stderr
        application.out.write_text("")
        application.start(command)
        application.until(lambda: len(application.given()) == 20)
        application.stop()
        assert all(payload.startswith("new-") for payload in application.given()), application.told()
        # One shard alone.
        done = rheos(server, "group", "reset", name, made, "--to", "TRIM_HORIZON", "--shard", "shardId-000000000001", "--yes")
        assert done.returncode == 0, done.stderr
        rows = {shard: row["checkpoint"]["S"] for shard, row in leases(server, name).items()}
        assert rows["shardId-000000000001"] == "TRIM_HORIZON" and rows["shardId-000000000000"].isdigit(), rows
    finally:
        application.kill()
    nobody = rheos(server, "group", "reset", "nobody", made, "--to", "LATEST", "--yes")
    assert nobody.returncode == 1 and "group ls" in nobody.stderr, nobody
