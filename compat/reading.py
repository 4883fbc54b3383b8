"""Reading streams as consumers do, with the rules that consumers depend on checked at every step."""

import hashlib
import time


def iterator(kinesis, stream, shard, kind="TRIM_HORIZON", **members):
    answer = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType=kind, **members)
    return answer["ShardIterator"]


def read(kinesis, iterator, limit=None, patience_s=10):
    """Every record from the iterator on, to the shard's end or to the newest one; and the children if it has ended."""
    records = []
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        members = {"Limit": limit} if limit else {}
        answer = kinesis.get_records(ShardIterator=iterator, **members)
        records += answer["Records"]
        following = answer.get("NextShardIterator")
        children = answer.get("ChildShards", [])
        assert (following is None) == bool(children), "a next iterator is absent if and only if children are named"
        for child in children:
            assert child["ParentShards"] and child["HashKeyRange"], child
        if following is None:
            return records, children
        assert following != iterator, "each call answers with an iterator of its own"
        if not answer["Records"] and answer["MillisBehindLatest"] == 0:
            return records, []
        iterator = following
    raise AssertionError(f"neither at the end nor at the tip after {patience_s} s and {len(records)} records")


def read_shard(kinesis, stream, shard, kind="TRIM_HORIZON", limit=None, **members):
    return read(kinesis, iterator(kinesis, stream, shard, kind, **members), limit)


def read_stream(kinesis, stream):
    """Every record of every shard, parents before their children: what a consumer of the whole stream sees."""
    seen = []
    for shard in shards(kinesis, stream):
        records, _ = read_shard(kinesis, stream, shard["ShardId"])
        check_order(records)
        seen += records
    return seen


def check_order(records):
    numbers = [int(record["SequenceNumber"]) for record in records]
    assert numbers == sorted(set(numbers)), "sequence numbers rise"
    times = [record["ApproximateArrivalTimestamp"] for record in records]
    assert times == sorted(times), "arrival times do not fall"


def shard_pages(kinesis, stream, **members):
    """Pages of ListShards. A token stands alone, which boto3's own paginator does not know: at AWS, too, it fails beyond
    the first page."""
    pages = [kinesis.list_shards(StreamName=stream, **members)]
    again = {name: value for name, value in members.items() if name == "MaxResults"}
    while token := pages[-1].get("NextToken"):
        pages.append(kinesis.list_shards(NextToken=token, **again))
    return pages


def shards(kinesis, stream, **members):
    return [shard for page in shard_pages(kinesis, stream, **members) for shard in page["Shards"]]


def open_shards(kinesis, stream):
    return [shard for shard in shards(kinesis, stream) if "EndingSequenceNumber" not in shard["SequenceNumberRange"]]


def hash_range(shard):
    return int(shard["HashKeyRange"]["StartingHashKey"]), int(shard["HashKeyRange"]["EndingHashKey"])


def check_cover(shards):
    """The hash keys from 0 to 2^128 - 1 belong to exactly one of the shards each."""
    ranges = sorted(hash_range(shard) for shard in shards)
    assert ranges[0][0] == 0 and ranges[-1][1] == 2**128 - 1, ranges
    assert all(before[1] + 1 == after[0] for before, after in zip(ranges, ranges[1:])), ranges


def hash_of(key):
    return int.from_bytes(hashlib.md5(key.encode()).digest(), "big")


def shard_of(shards, hash_key):
    [found] = [shard["ShardId"] for shard in shards if hash_range(shard)[0] <= hash_key <= hash_range(shard)[1]]
    return found


def wait_active(kinesis, stream, patience_s=20):
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        status = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamStatus"]
        if status == "ACTIVE":
            return
        # DescribeStreamSummary may be called 20 times a second.
        time.sleep(0.06)
    raise AssertionError(f"{stream} is {status} after {patience_s} s")


def put(kinesis, stream, records):
    """Writes records (key, data), a call for each 500, and answers with where each went."""
    places = []
    for at in range(0, len(records), 500):
        entries = [{"PartitionKey": key, "Data": data} for key, data in records[at : at + 500]]
        answer = kinesis.put_records(StreamName=stream, Records=entries)
        assert answer["FailedRecordCount"] == 0, answer
        places += [(entry["ShardId"], entry["SequenceNumber"]) for entry in answer["Records"]]
    return places
