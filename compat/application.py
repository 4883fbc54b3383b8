"""What an application on a stream has to have seen, checked against the stream itself and what its workers told."""

import base64
import collections
import dataclasses

from aws_kinesis_agg.deaggregator import iter_deaggregate_records

from reading import hash_of, hash_range, iterator, read, shards


@dataclasses.dataclass
class Tenure:
    """A worker's time with a shard: from its beginning to its end, the loss of its lease, a handover or its death."""

    worker: object
    ends: set = dataclasses.field(default_factory=set)
    records: list = dataclasses.field(default_factory=list)

    def was_graceful(self):
        """What it had processed was checkpointed when it was over."""
        if "handed over" in self.ends:
            return True
        return "end" in self.ends and "not checkpointed" not in self.ends and not self.worker.was_killed


@dataclasses.dataclass
class Contents:
    """What a stream holds: of each shard, by position, the text of each user record.

    A packed record of which a part belongs to another shard's hash keys is passed over by the KCL, all of it, unless it has yet to
    learn the shard's hash keys. The KPL, which sees where it went, writes again what belongs elsewhere; but what belongs to that
    shard it reports as stored (1.0.7, `retrier.cc`). So what is packed with something that is misplaced is in the stream, and
    an application may not get it."""

    shards: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(dict))
    passed_over: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(dict))

    def texts(self):
        """All that an application has to get."""
        return {text for positions in self.shards.values() for text in positions.values()}

    def stored(self):
        """All that is there, as shard, sequence number and text."""
        return {
            (shard, sequence, text)
            for part in (self.shards, self.passed_over)
            for shard, positions in part.items()
            for (sequence, _), text in positions.items()
        }


def contents(server, stream):
    """Reads the stream without the library."""
    kinesis = server.boto3(retries={"total_max_attempts": 30})
    found = Contents()
    for shard in shards(kinesis, stream):
        name, (low, high) = shard["ShardId"], hash_range(shard)
        for record in read(kinesis, iterator(kinesis, stream, name), patience_s=120)[0]:
            parts, is_misplaced = {}, False
            for at, part in enumerate(iter_deaggregate_records([record], data_format="Boto3")):
                user = part["kinesis"]
                packed = user.get("aggregated")
                explicit = user.get("explicitHashKey") if packed else None
                place = int(explicit) if explicit else hash_of(user["partitionKey"])
                is_misplaced = is_misplaced or bool(packed) and not low <= place <= high
                data = base64.b64decode(user["data"]) if packed else user["data"]
                parts[int(record["SequenceNumber"]), at] = data.decode().rstrip()
            (found.passed_over if is_misplaced else found.shards)[name].update(parts)
    return found


def tenures(workers):
    """Of each shard, the tenures in the order in which they began."""
    found = collections.defaultdict(list)
    for worker in workers:
        open_ones = {}
        for event in worker.events:
            if event.kind == "begin":
                open_ones[event.shard] = Tenure(worker)
                found[event.shard].append((event.at_ns, open_ones[event.shard]))
            elif event.kind == "record":
                open_ones[event.shard].records.append(event)
            elif event.shard in open_ones:
                open_ones[event.shard].ends.add(event.kind)
    return {shard: [tenure for _, tenure in sorted(each, key=lambda pair: pair[0])] for shard, each in found.items()}


def check(kinesis, stream, held, workers):
    """At least once, nothing skipped, each shard in order, parents before children, and twice only after a death or a lease
    that was lost. Answers with how often a user record came again."""
    by_shard = tenures(workers)
    parents = {
        shard["ShardId"]: [shard[name] for name in ("ParentShardId", "AdjacentParentShardId") if name in shard]
        for shard in shards(kinesis, stream)
    }
    first, again = collections.defaultdict(dict), 0
    for shard in parents:
        positions = held.shards[shard]
        known = positions | held.passed_over[shard]
        for tenure in by_shard.get(shard, []):
            order = [record.position for record in tenure.records]
            assert order == sorted(set(order)), f"{tenure.worker.name} was given {shard} out of order"
        told = sorted((record for tenure in by_shard.get(shard, []) for record in tenure.records), key=lambda record: record.at_ns)
        for record in told:
            assert known.get(record.position) == record.data, f"{shard} does not hold {record}"
            first[shard].setdefault(record.position, record)
        missing = positions.keys() - first[shard].keys()
        assert not missing, f"{len(missing)} of {len(positions)} user records of {shard} were skipped, one at {min(missing)}"
        order = list(first[shard])
        assert order == sorted(order), f"a user record of {shard} came for the first time after a later one had"
        again += check_repetitions(shard, by_shard.get(shard, []))
    check_lineage(parents, first, workers)
    return again


def check_repetitions(shard, each):
    """A user record comes again only if who had it before died or lost the lease. Answers with how many did."""
    had, again = {}, 0
    for tenure in each:
        for record in tenure.records:
            if before := had.get(record.position):
                assert not before.was_graceful(), f"{record} of {shard} came again though {before.worker.name} had handed it over"
                again += 1
        had |= {record.position: tenure for record in tenure.records}
    return again


def check_lineage(parents, first, workers):
    """A shard begins when each of its parents has been processed to the end."""
    begun, ended = {}, {}
    for worker in workers:
        for event in worker.events:
            if event.kind in ("begin", "end"):
                times = begun if event.kind == "begin" else ended
                times[event.shard] = min(event.at_ns, times.get(event.shard, event.at_ns))
    for shard, above in parents.items():
        for parent in above:
            if shard not in begun or parent not in begun:
                continue
            assert parent in ended and ended[parent] < begun[shard], f"{shard} began before the end of {parent}"
            if first[parent]:
                assert max(record.at_ns for record in first[parent].values()) < begun[shard], f"{shard} began before {parent} was read"
