"""What the library promises an application, while shards split and merge and workers die."""

import time

import pytest

import application
import test_kpl
from jvm import Host, Producer, serve
from reading import open_shards, wait_active
from test_kcl import NEWEST, client_of  # noqa: F401 the row of the table
from test_reshards import merge, split

AREA = "consumer applications"
pytestmark = pytest.mark.at_once


class Fleet:
    """Workers of one application, each a process of its own."""

    def __init__(self, version, settings, server, stream, directory):
        self.version, self.settings, self.server, self.stream, self.directory = version, settings, server, stream, directory
        self.kinesis, self.workers = server.boto3(), []

    def hire(self, number=1):
        """Processes with a worker each. Of a new application the first one makes the tables alone: one of several that do it at
        the same moment may give up for good (version 3.5, see docs/kcl.md)."""
        hosts = [Host(self.version, self.directory / f"worker-{len(self.workers) + at + 1}.log") for at in range(number)]
        for host in hosts:
            name = f"worker-{len(self.workers) + 1}"
            worker = host.start(name, self.server.endpoint, self.stream, "fleet", **self.settings)
            self.workers.append(worker)
            worker.until(self.has_tables, "the application's table")
        return worker

    def has_tables(self):
        db = self.server.boto3("dynamodb")
        try:
            table = db.describe_table(TableName="fleet")["Table"]
        except db.exceptions.ResourceNotFoundException:
            return False
        return self.version[0] != "3" or bool(table.get("GlobalSecondaryIndexes"))

    def until_at_work(self, worker):
        """Waits until the worker has its part. Before version 3 leases of ended shards count for one, so it may be a lease alone."""

        def has_lease():
            rows = self.server.boto3("dynamodb").scan(TableName="fleet", ConsistentRead=True)["Items"]
            return any(row.get("leaseOwner", {}).get("S") == worker.name for row in rows)

        worker.until(lambda: worker.newest or self.version[0] != "3" and has_lease(), "records")

    def alive(self):
        return [worker for worker in self.workers if not worker.was_killed and not worker.has_stopped]

    def leader(self):
        """Who assigns leases, as the application's own table says; before version 3 everybody does."""
        if self.version[0] != "3":
            return self.alive()[0]
        key = {"leaseKey": {"S": "Leader"}}
        found = self.server.boto3("dynamodb").get_item(TableName="fleet", Key=key, ConsistentRead=True).get("Item")
        owners = [worker for worker in self.alive() if found and worker.name == found["ownerName"]["S"]]
        return owners[0] if owners else None

    def holder(self, shard):
        """Who has read the shard last."""
        return max(self.alive(), key=lambda worker: worker.newest.get(shard, 0))

    def flows(self):
        """Waits until every open shard is read anew, by workers that live, and shards before them are over."""
        begun, names = time.monotonic_ns(), {shard["ShardId"] for shard in open_shards(self.kinesis, self.stream)}

        def are_read():
            return {shard for worker in self.alive() for shard, at_ns in list(worker.newest.items()) if at_ns > begun}

        self.alive()[0].until(lambda: names <= are_read(), f"records of {sorted(names)}")

    def until_leader(self):
        found = []
        self.alive()[0].until(lambda: found.append(self.leader()) or found[-1], "a leader")
        return found[-1]


def neighbours(kinesis, stream):
    """Two open shards that can be merged."""
    ordered = sorted(open_shards(kinesis, stream), key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))
    return ordered[0]["ShardId"], ordered[1]["ShardId"]


@pytest.mark.parametrize(
    "version,retrieval",
    [
        (NEWEST, "polling"),
        pytest.param(NEWEST, "fan-out", marks=pytest.mark.long),
        pytest.param("2.7.2", "polling", marks=pytest.mark.long),
        pytest.param("2.7.2", "fan-out", marks=pytest.mark.long),
        pytest.param("1.15.3", "polling", marks=pytest.mark.long),
    ],
)
def test_every_user_record_is_processed(version, retrieval, tmp_path):
    server, stream, begun = serve(tmp_path, "--dev-tls", "--transition-ms", "20"), "orders", time.monotonic()
    settings = {} if version.startswith("1.") else {"retrieval": retrieval}
    kinesis, fleet, producer = server.boto3(), Fleet(version, settings, server, stream, tmp_path), None
    try:
        kinesis.create_stream(StreamName=stream, ShardCount=4)
        wait_active(kinesis, stream)
        producer = Producer(test_kpl.VERSION, server, stream, tmp_path / "producer.log", rate=400, size=40, outstanding=20000)
        fleet.hire(3)
        for worker in list(fleet.workers):
            fleet.until_at_work(worker)
        fleet.flows()

        split(kinesis, stream, open_shards(kinesis, stream)[0]["ShardId"])
        fleet.flows()
        # The one that gives the others their leases.
        fleet.until_leader().host.kill()
        merge(kinesis, stream, *neighbours(kinesis, stream))
        fleet.flows()

        fleet.until_at_work(fleet.hire())
        # The one that has to make the leases of the children.
        parent = open_shards(kinesis, stream)[-1]["ShardId"]
        split(kinesis, stream, parent)
        fleet.holder(parent).host.kill()
        fleet.flows()

        fifth = fleet.hire()
        fleet.until_at_work(fifth)
        merge(kinesis, stream, *neighbours(kinesis, stream))
        fleet.flows()
        leaver = fleet.alive()[0]
        # Before version 3 a worker that has the lease of an ended shard waits for its end in vain.
        leaver.stop() if version.startswith("3.") else leaver.halt()
        fleet.flows()

        producer.stop()
        assert not producer.failed, list(producer.failed.items())[:3]

        held = application.contents(server, stream)

        def seen():
            return set().union(*(worker.data for worker in fleet.workers))

        fifth.until(lambda: seen() >= held.texts(), "every record that the stream holds")
        for worker in fleet.alive():
            worker.stop() if version.startswith("3.") else worker.halt()
        again = application.check(kinesis, stream, held, fleet.workers)
        stored = {(shard, sequence, number) for number, (shard, sequence, _) in producer.stored.items()}
        assert stored <= held.stored(), "what was reported as stored is there"
        # Whatever the application has to get, it got: `check`. What is left is the libraries' own.
        given_up = len(producer.stored.keys() - seen())
        print(
            f"{len(producer.stored)} user records, {again} came again, {given_up} were packed with what was misplaced and passed over, "
            f"{sum(worker.was_killed for worker in fleet.workers)} deaths, {time.monotonic() - begun:.0f} s"
        )
    finally:
        if producer:
            producer.jvm.kill()
        for worker in fleet.workers:
            worker.host.kill()
        server.kill()
