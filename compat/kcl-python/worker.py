"""A processor of kclpy that tells what the Worker for Java tells, in the same words, into the file WORKER_OUT: worker, monotonic nanoseconds, event,
stream, shard, and what the event has to tell. A batch is there before it is checkpointed."""

import os
import time

from amazon_kclpy import kcl
from amazon_kclpy.v3 import processor

NAME, STREAM = os.environ["WORKER_NAME"], os.environ["WORKER_STREAM"]
OUT = os.open(os.environ["WORKER_OUT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def line(*words):
    return "\t".join([NAME, str(time.monotonic_ns()), *words]) + "\n"


def tell(*lines):
    # One write, so that processes of several shards do not mix theirs.
    os.write(OUT, "".join(lines).encode())


class Processor(processor.RecordProcessorBase):
    def initialize(self, start):
        self.shard = start.shard_id
        tell(line("begin", STREAM, self.shard, str(start.sequence_number)))

    def process_records(self, batch):
        records = [
            line("record", STREAM, self.shard, str(record.sequence_number), str(record.sub_sequence_number), record.partition_key, record.binary_data.decode())
            for record in batch.records
        ]
        if records:
            tell(*records)
            self.checkpoint(batch.checkpointer)

    def lease_lost(self, lost):
        tell(line("lost", STREAM, self.shard))

    def shard_ended(self, ended):
        tell(line("end", STREAM, self.shard))
        self.checkpoint(ended.checkpointer)

    def shutdown_requested(self, requested):
        if self.checkpoint(requested.checkpointer):
            tell(line("handed over", STREAM, self.shard))

    def checkpoint(self, checkpointer):
        try:
            checkpointer.checkpoint()
            return True
        except kcl.CheckpointError as error:
            tell(line("not checkpointed", STREAM, self.shard, str(error)))
            return False


kcl.KCLProcess(Processor()).run()
