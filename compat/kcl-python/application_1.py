"""A processor of kclpy 1.x, in the form of its sample, that writes down what it is given."""

import os

from amazon_kclpy import kcl


def say(line):
    with open(os.environ["APPLICATION_OUT"], "a") as out:
        out.write(line + "\n")


class Processor(kcl.RecordProcessorBase):
    def initialize(self, shard_id):
        self.shard = shard_id
        say(f"initialize {shard_id}")

    def process_records(self, records, checkpointer):
        for record in records:
            say(f"record {self.shard} {record.binary_data.decode()}")
        checkpointer.checkpoint()

    def shutdown(self, checkpointer, reason):
        if reason == "TERMINATE":
            checkpointer.checkpoint()
        say(f"{reason} {self.shard}")

    def shutdown_requested(self, checkpointer):
        checkpointer.checkpoint()
        say(f"shutdown {self.shard}")


kcl.KCLProcess(Processor()).run()
