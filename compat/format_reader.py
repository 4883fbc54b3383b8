"""Reads data directories and backups by docs/format.md and by nothing else: whatever is not as it says there is an error.

`seen` counts what was met, by the names of the document, so that a test can tell what it has not shown.
"""

import base64
import copy
import hashlib
import hmac
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aes_gcm
from checksum import crc32c

PAGE = 4096
MAX_BATCH = 64 << 20
CHANGES = {1: "put", 2: "delete", 3: "open", 4: "close", 5: "drop", 6: "trim", 7: "class"}


class FormatError(Exception):
    pass


def require(condition, what):
    if not condition:
        raise FormatError(what)


class Bytes:
    """Bytes that are taken one after the other."""

    def __init__(self, data, where):
        self.data, self.where, self.at = data, where, 0

    def take(self, count):
        require(self.at + count <= len(self.data), f"{self.where}: {count} bytes at {self.at} of {len(self.data)}")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, width):
        return int.from_bytes(self.take(width), "little")

    def is_(self, wanted):
        at, found = self.at, self.take(len(wanted))
        require(found == wanted, f"{self.where}: {found!r} at {at}, not {wanted!r}")

    def zeros(self, count):
        self.is_(bytes(count))

    def zeros_to(self, offset):
        self.zeros(offset - self.at)

    def blob(self):
        return self.take(self.number(4))

    def text(self):
        return self.blob().decode()

    def crc_of(self, covered):
        wanted, found = self.number(4), crc32c(covered)
        require(wanted == found, f"{self.where}: the CRC before {self.at} is {wanted:08x}, the bytes have {found:08x}")

    def end(self):
        require(self.at == len(self.data), f"{self.where}: {len(self.data) - self.at} bytes too many")


@dataclass(frozen=True)
class Entry:
    """What a block says of its records."""

    shard: int
    first: int
    count: int
    bytes: int
    crc: int


@dataclass(frozen=True)
class Record:
    key: str  # None: there is none
    data: bytes
    sealed: bool
    time_ms: int


@dataclass
class Block:
    entry: Entry
    time_ms: int
    records: list

    def placed(self):
        return {(self.entry.shard, self.entry.first + i): record for i, record in enumerate(self.records)}


@dataclass
class Batch:
    log_id: bytes
    generation: int
    file_id: int
    offset: int
    number: int
    durable_upto: int
    time_ms: int
    length: int
    changes: list
    blocks: list


@dataclass
class Shard:
    first: int = 0
    next: int = 0
    time_ms: int = 0
    retention: int = 0
    closed: bool = False


@dataclass
class State:
    """What a snapshot holds, and what batches make of it."""

    batch: int = 0
    time_ms: int = 0
    version: int = 0
    free_shard: int = 0
    keys: dict = field(default_factory=dict)
    shards: dict = field(default_factory=dict)


def checked_text(text, head, where):
    """The lines of a text that ends with its checksum."""
    covered, found, last = text.rpartition(b"crc32c ")
    require(found and covered.endswith(b"\n"), f"{where}: no checksum")
    require(last == b"%08x\n" % crc32c(covered), f"{where}: checksum {last!r}, the text has {crc32c(covered):08x}")
    lines = covered.decode().split("\n")
    require(lines[0] == head and lines.pop() == "", f"{where}: begins with {lines[0]!r}")
    return lines[1:]


class Decoder:
    def __init__(self):
        self.seen = Counter()

    def note(self, what):
        self.seen[what] += 1

    # Text files

    def manifest(self, text):
        lines = checked_text(text, "rheos-manifest 1", "MANIFEST")
        require(len(lines) == 2, f"MANIFEST: {len(lines) + 2} lines")
        self.note("manifest")
        listed = json.loads(lines[0])
        require(set(listed) == {"log_id", "generation", "next_file_id", "log_files"}, f"MANIFEST: {listed}")
        require(all(file["id"] < listed["next_file_id"] for file in listed["log_files"]), f"MANIFEST: {listed}")
        if lines[1] == "":
            self.note("manifest without a root")
        return listed, self.root(json.loads(lines[1])) if lines[1] else None

    def root(self, root):
        require(set(root) == {"format", "flushed_upto", "snapshots", "segments", "next_object"}, f"root: {root}")
        self.note(f"root of format {root['format']}")
        names = [snapshot["name"] for snapshot in root["snapshots"]] + root["segments"]
        require(all(int(name.partition(".")[0], 16) < root["next_object"] for name in names), f"root: {root}")
        require(all(len(name.partition(".")[0]) == 16 for name in names), f"root: {root}")
        return root

    # The log

    def log_file(self, data, log_id, file_id, where):
        """The batches of a file, up to the first place that holds none."""
        head = Bytes(data[:64], where)
        head.is_(b"RHEOSLOG")
        require(head.number(2) == 1, f"{where}: format")
        head.zeros(6)
        head.is_(log_id)
        require(head.number(8) == file_id, f"{where}: another file's name")
        head.zeros(20)
        head.crc_of(data[:60])
        Bytes(data[64:PAGE], where).zeros(PAGE - 64)
        self.note("log file")
        at, batches, broken = PAGE, [], None
        try:
            while self.begins_batch(data, at, file_id):
                batch = self.batch(data, at, f"{where} at {at}")
                require((batch.log_id, batch.file_id, batch.offset) == (log_id, file_id, at), f"{where} at {at}: another place's")
                batches.append(batch)
                at += batch.length
        except FormatError as error:
            broken = error
        rest = data[at:].rstrip(b"\0")
        later = [place for place in range(at + PAGE, at + len(rest), PAGE) if self.begins_batch(data, place, file_id)]
        require(not later, f"{broken or where}, and a batch behind the end, at {later}")
        self.note("unfinished batch" if broken else "batches of an earlier life" if rest else "zeros behind the last batch")
        return batches

    def begins_batch(self, data, at, file_id):
        """Whether a batch of this life of the file begins there: its header verifies and names the file and the place."""
        head = data[at : at + 128]
        named = head[:8] == b"RHEOSBAT" and head[40:56] == file_id.to_bytes(8, "little") + at.to_bytes(8, "little")
        return named and crc32c(head[:124]) == int.from_bytes(head[124:], "little")

    def batch(self, data, at, where):
        """The batch that begins there."""
        head = Bytes(data[at : at + 128], where)
        head.is_(b"RHEOSBAT")
        require(head.number(2) == 1, f"{where}: format")
        head.zeros(2)
        require(head.number(4) == 0, f"{where}: feature bits")
        log_id = head.take(16)
        generation, file_id, offset, number, durable_upto, time_ms = (head.number(8) for _ in range(6))
        length, block_count, change_count, change_bytes, record_bytes = (head.number(4) for _ in range(5))
        contents_crc = head.number(4)
        head.zeros(20)
        head.crc_of(head.data[:124])
        require(length % PAGE == 0 and length <= min(MAX_BATCH, len(data) - at), f"{where}: {length} bytes")
        body = Bytes(data[at + 128 : at + length], where)
        directory = [self.entry(Bytes(body.take(40), where)) for _ in range(block_count)]
        require([entry.shard for entry in directory] == sorted({entry.shard for entry in directory}), f"{where}: order")
        changes = Bytes(body.take(change_bytes), where)
        found = crc32c(body.data[: body.at])
        require(found == contents_crc, f"{where}: the CRC of directory and changes is {contents_crc:08x}, not {found:08x}")
        decoded = [self.change(changes) for _ in range(change_count)]
        changes.end()
        begun = body.at
        blocks = [self.block(entry, body.take(entry.bytes), time_ms, where) for entry in directory]
        require(body.at - begun == record_bytes, f"{where}: {body.at - begun} bytes of records, not {record_bytes}")
        require(length - 128 - body.at < PAGE, f"{where}: {length} bytes are too many")
        body.zeros_to(length - 128)
        self.note("batch" if blocks or decoded else "closing batch")
        return Batch(log_id, generation, file_id, offset, number, durable_upto, time_ms, length, decoded, blocks)

    def entry(self, data):
        entry = Entry(data.number(8), data.number(8), data.number(4), data.number(4), data.number(4))
        data.zeros(12)
        return entry

    def change(self, data):
        kind = data.number(1)
        require(kind in CHANGES, f"{data.where}: a change of kind {kind}")
        self.note(f"change {kind}: {CHANGES[kind]}")
        if kind == 1:
            return kind, data.text(), data.blob()
        if kind == 2:
            return kind, data.text(), None
        shard, value = data.number(8), data.number(8)
        require(kind not in (4, 5) or value == 0, f"{data.where}: change {kind} with {value}")
        return kind, shard, value

    def block(self, entry, data, time_ms, where):
        require(crc32c(data) == entry.crc, f"{where}: the CRC of the records of {entry}")
        records, rest = [], Bytes(data, where)
        for _ in range(entry.count):
            flags, key_bytes, data_bytes = rest.number(1), rest.number(2), rest.number(4)
            require(flags & ~0x11 == 0, f"{where}: flags {flags:02x}")
            key = rest.take(key_bytes).decode()
            if flags & 1:
                require(key_bytes == 0, f"{where}: a key that is not there has {key_bytes} bytes")
                self.note("record without a partition key")
            if flags & 0x10:
                self.note("sealed record")
            records.append(Record(None if flags & 1 else key, rest.take(data_bytes), bool(flags & 0x10), time_ms))
            self.note("record")
        rest.end()
        return Block(entry, time_ms, records)

    # Objects

    def segment(self, data, where):
        """The blocks of a segment, in its order; its directory and index have to say the same."""
        head = Bytes(data[:64], where)
        head.is_(b"RHEOSSEG")
        require(head.number(2) == 1, f"{where}: format")
        head.zeros(6)
        tag = head.number(8)
        head.zeros_to(60)
        head.crc_of(data[:60])
        end = len(data) - 64
        trailer = Bytes(data[end:], where)
        trailer.is_(b"RHEOSSEG")
        index_at, run_count = trailer.number(8), trailer.number(8)
        trailer.crc_of(data[index_at:end])
        trailer.zeros(4)
        require(trailer.number(8) == tag, f"{where}: the trailer is of another segment")
        trailer.zeros_to(60)
        trailer.crc_of(trailer.data[:60])
        directory_at = end - 80 * run_count
        require(64 <= index_at <= directory_at and index_at % 8 == 0, f"{where}: index at {index_at}")
        blocks = self.segment_blocks(Bytes(data[:index_at], where), tag)
        directory, expected_index, runs = Bytes(data[directory_at:end], where), index_at, self.runs(blocks)
        require(len(runs) == run_count, f"{where}: {len(runs)} runs, and {run_count} in the directory")
        for run in runs:
            (first_at, first), (last_at, last) = run[0], run[-1]
            run_end = last_at + 64 + last.entry.bytes
            wanted = [first.entry.shard, first.entry.first, last.entry.first + last.entry.count, first.time_ms, last.time_ms]
            wanted += [first_at, run_end + -run_end % 8 - first_at, expected_index]
            found = [directory.number(8) for _ in range(8)]
            require(found == wanted, f"{where}: a run is {wanted}, and {found} in the directory")
            entries = directory.number(4)
            directory.zeros(12)
            self.index(Bytes(data[expected_index : expected_index + 24 * entries], where), entries, run)
            expected_index += 24 * entries
            self.note("run of a segment")
        require(expected_index == directory_at, f"{where}: {directory_at - expected_index} bytes of index belong to no run")
        self.note("segment")
        return [block for _, block in blocks]

    def runs(self, blocks):
        """Blocks of one shard without a gap between their positions."""
        runs = []
        for at, block in blocks:
            entry, before = block.entry, runs[-1][-1][1].entry if runs else None
            if before and (before.shard, before.first + before.count) == (entry.shard, entry.first):
                runs[-1].append((at, block))
            else:
                if before and before.shard == entry.shard:
                    self.note("run behind a gap")
                runs.append([(at, block)])
        return runs

    def segment_blocks(self, rest, tag):
        rest.take(64)
        blocks = []
        while rest.at < len(rest.data):
            at = rest.at
            head = Bytes(rest.take(64), f"{rest.where} at {at}")
            head.is_(b"RBLK")
            lower = head.number(4)
            entry = self.entry(Bytes(head.take(40), head.where))
            time_ms = head.number(8)
            require(head.number(4) << 32 | lower == tag, f"{head.where}: a block of another segment")
            head.crc_of(head.data[:60])
            blocks.append((at, self.block(entry, rest.take(entry.bytes), time_ms, head.where)))
            rest.zeros(-rest.at % 8)
        places = [(block.entry.shard, block.entry.first) for _, block in blocks]
        require(places == sorted(set(places)), f"{rest.where}: the order of its blocks")
        return blocks

    def index(self, index, count, blocks):
        known = {at: block for at, block in blocks}
        places = []
        for _ in range(count):
            position, time_ms, at = index.number(8), index.number(8), index.number(8)
            block = known.get(at)
            require(block, f"{index.where}: the index points to {at}, where no block begins")
            require((position, time_ms) == (block.entry.first, block.time_ms), f"{index.where}: index of {at}")
            places.append(at)
        require(places[0] == blocks[0][0] and places == sorted(set(places)), f"{index.where}: index {places}")
        # At least one every 64 KiB: no block that begins so far behind an indexed one is left out.
        for at, _ in blocks:
            before = max(place for place in places if place <= at)
            require(at - before < 64 << 10, f"{index.where}: the block at {at} is too far behind the index")
        if count > 1:
            self.note("index of more than one entry")

    def snapshot(self, data, where):
        head = Bytes(data[:32], where)
        head.is_(b"RHEOSSNP")
        require(head.number(2) == 1, f"{where}: format")
        head.zeros(6)
        require(head.number(8) == len(data) - 32, f"{where}: its length")
        head.crc_of(data[32:])
        head.crc_of(data[:28])
        body = Bytes(data[32:], where)
        state = State(*(body.number(8) for _ in range(4)))
        key_count, shard_count = body.number(8), body.number(8)
        for _ in range(key_count):
            key = body.text()
            state.keys[key] = body.number(8), body.blob()
        for _ in range(shard_count):
            shard = body.number(8)
            state.shards[shard] = Shard(*(body.number(8) for _ in range(3)), body.number(4), bool(closed := body.number(1)))
            require(closed in (0, 1), f"{where}: closed {closed}")
        body.end()
        for names in (state.keys, state.shards):
            require(list(names) == sorted(names), f"{where}: its order")
        self.note("snapshot")
        return state


def apply(state, batch):
    """What a batch makes of the state before it."""
    require(batch.number == state.batch + 1, f"batch {batch.number} after {state.batch}")
    require(batch.time_ms >= state.time_ms, f"batch {batch.number} is older than the one before")
    state.batch, state.time_ms = batch.number, batch.time_ms
    for kind, name, value in batch.changes:
        if kind in (1, 2):
            state.version += 1
        if kind == 1:
            state.keys[name] = (state.version, value)
        elif kind == 2:
            state.keys.pop(name, None)
        elif kind == 3:
            state.free_shard = max(state.free_shard, name + 1)
            state.shards.setdefault(name, Shard(retention=value))
        elif kind == 5:
            state.shards.pop(name, None)
        elif shard := state.shards.get(name):
            if kind == 4:
                shard.closed = True
            elif kind == 6:
                shard.first = max(shard.first, value)
            else:
                shard.retention = value
    dropped = {name for kind, name, _ in batch.changes if kind == 5}
    for block in batch.blocks:
        shard = state.shards.get(block.entry.shard)
        require(shard or block.entry.shard in dropped, f"{block.entry} in batch {batch.number} is of a shard that is not there")
        if shard:
            require(block.entry.first == shard.next, f"{block.entry} in batch {batch.number}, where {shard.next} comes next")
            shard.next, shard.time_ms = shard.next + block.entry.count, batch.time_ms


class Directory:
    """A data directory that nobody has open."""

    def __init__(self, path):
        self.path, decoder = Path(path), Decoder()
        self.seen = decoder.seen
        self.listed, self.root = decoder.manifest((self.path / "MANIFEST").read_bytes())
        self.log_id = bytes.fromhex(self.listed["log_id"])[::-1]
        self.batches = []
        for file in self.listed["log_files"]:
            name = self.path / "log" / f"{file['id']:016x}.log"
            data = name.read_bytes()
            require(len(data) == file["bytes"], f"{name}: {len(data)} bytes, not {file['bytes']}")
            self.batches += decoder.log_file(data, self.log_id, file["id"], name.name)
        for before, after in zip(self.batches, self.batches[1:]):
            require(after.number == before.number + 1, f"batch {after.number} after {before.number}")
            require(after.generation >= before.generation, f"the generation of batch {after.number}")
            require(after.durable_upto >= before.durable_upto, f"durable_upto of batch {after.number}")
        for batch in self.batches:
            require(batch.generation <= self.listed["generation"], f"the generation of batch {batch.number}")
            require(batch.durable_upto < batch.number, f"durable_upto of batch {batch.number}")
        self.read_objects(decoder)
        last = self.batches[-1].number if self.batches else 0
        known = max([self.flushed_upto] + [state.batch for state in self.snapshots.values()])
        require(last >= known, f"the log ends with batch {last}, and {known} is known of")

    def read_objects(self, decoder):
        objects = lambda name: (self.path / "objects" / name).read_bytes()
        root = self.root or {"flushed_upto": 0, "segments": [], "snapshots": []}
        self.flushed_upto = root["flushed_upto"]
        self.segments = {name: decoder.segment(objects(name), name) for name in root["segments"]}
        self.snapshots = {}
        for listed in root["snapshots"]:
            state = self.snapshots[listed["name"]] = decoder.snapshot(objects(listed["name"]), listed["name"])
            require(state.batch == listed["batch"], f"{listed['name']} ends with batch {state.batch}")

    def records(self):
        """Every record, once, by shard key and position: of segments, then of the batches behind them."""
        found = {}
        blocks = [block for segment in self.segments.values() for block in segment]
        blocks += [block for batch in self.batches if batch.number > self.flushed_upto for block in batch.blocks]
        for block in blocks:
            placed = block.placed()
            require(not found.keys() & placed.keys(), f"the records of {block.entry} are there twice")
            found |= placed
        return found

    def state(self, start=None):
        """The state after the last batch: a start (of none: the newest snapshot, or nothing) and the batches since."""
        state = copy.deepcopy(start or next(iter(self.snapshots.values()), State()))
        for batch in self.batches:
            if batch.number > state.batch:
                apply(state, batch)
        return state


class Backup(Directory):
    def __init__(self, path):
        self.path, decoder = Path(path), Decoder()
        self.seen = decoder.seen
        lines = checked_text((self.path / "BACKUP").read_bytes(), "rheos-backup 1", "BACKUP")
        self.listed = json.loads("\n".join(lines))
        self.root = decoder.root(self.listed["root"])
        for file in self.listed["files"]:
            data = (self.path / file["path"]).read_bytes()
            require((len(data), "%08x" % crc32c(data)) == (file["bytes"], file["crc32c"]), f"BACKUP: {file}")
            decoder.note("file of a backup")
        self.batches = []
        for name in sorted(file["path"] for file in self.listed["files"] if file["path"].endswith(".batches")):
            data = (self.path / name).read_bytes()
            at = 0
            while at < len(data):
                self.batches.append(decoder.batch(data, at, name))
                at += self.batches[-1].length
        self.read_objects(decoder)
        numbers = [batch.number for batch in self.batches]
        covered = min([self.flushed_upto] + [snapshot["batch"] for snapshot in self.root["snapshots"]])
        require(numbers == list(range(covered + 1, self.listed["last_batch"] + 1)), f"batches {numbers} after {covered}")


# Encryption

def mac(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def counted(text):
    return len(text.encode()).to_bytes(4, "little") + text.encode()


class RootKey:
    def __init__(self, path):
        stored = json.loads(Path(path).read_text())
        self.key, self.id = base64.b64decode(stored["root_key"], validate=True), bytes.fromhex(stored["id"])
        require(len(self.key) == 32 and mac(self.key, b"rheos root key id 1").startswith(self.id), f"{path}: its id")

    def unwrap(self, wrapped, arn, uid, number, key_id):
        wrapped = Bytes(base64.b64decode(wrapped, validate=True), "a wrapped data key")
        wrapped.is_(self.id)
        nonce, sealed, tag = wrapped.take(12), wrapped.take(32), wrapped.take(16)
        wrapped.end()
        bound = b"rheos data key 1" + counted(arn) + uid.to_bytes(8, "little") + number.to_bytes(4, "little") + key_id.encode()
        return aes_gcm.open_sealed(mac(self.key, b"rheos root key wraps 1"), nonce, sealed, tag, bound)


def open_record(record, data_key, number, arn, shard_number):
    """The data of a sealed record."""
    data = Bytes(record.data, "sealed data")
    require(data.number(4) == number, f"sealed under data key {number}")
    salt, counter = data.take(12), data.take(8)
    sealed, tag = data.take(len(record.data) - 40), data.take(16)
    key = b"\0" if record.key is None else b"\1" + record.key.encode()
    bound = b"rheos record 1" + counted(arn) + shard_number.to_bytes(4, "little") + key
    return aes_gcm.open_sealed(mac(data_key, b"rheos data key seals 1", salt), counter + bytes(4), sealed, tag, bound)
