"""A processor of kclpy, in the form of its sample. It writes down what it is given.

Without APPLICATION_DIES_OF its process dies once in each shard, before it has checkpointed; with it, whenever it is given such a record, until
there is a file `out.mended`."""

import os

from amazon_kclpy import kcl
from amazon_kclpy.v3 import processor

OUT = os.environ["APPLICATION_OUT"]
DIES_OF = os.environ.get("APPLICATION_DIES_OF")


def say(line):
    with open(OUT, "a") as out:
        out.write(line + "\n")


class Processor(processor.RecordProcessorBase):
    def initialize(self, start):
        self.shard = start.shard_id
        say(f"initialize {self.shard} {start.sequence_number}")

    def process_records(self, batch):
        print("a line of a program that prints")
        payloads = [record.binary_data.decode() for record in batch.records]
        for payload in payloads:
            say(f"record {self.shard} {payload}")
        if DIES_OF:
            dies = DIES_OF in payloads and not os.path.exists(f"{OUT}.mended")
        else:
            died = f"{OUT}.{self.shard}"
            dies = not os.path.exists(died)
            open(died, "w").close()
        if dies:
            os._exit(7)
        batch.checkpointer.checkpoint()
        say(f"checkpoint {self.shard}")
        for payload in payloads:
            say(f"checkpointed {payload}")

    def lease_lost(self, lost):
        say(f"lost {self.shard}")

    def shard_ended(self, ended):
        ended.checkpointer.checkpoint()
        say(f"ended {self.shard}")

    def shutdown_requested(self, requested):
        requested.checkpointer.checkpoint()
        say(f"shutdown {self.shard}")


kcl.KCLProcess(Processor()).run()
