// A processor of the KCL for Node, in the form of its documentation. It writes down what it is given; its process dies once in each
// shard, before it has checkpointed.
'use strict';

const fs = require('fs');
const kcl = require('aws-kcl');

const out = process.env.APPLICATION_OUT;
const say = (line) => fs.appendFileSync(out, line + '\n');

class Processor {
  initialize(input, done) {
    this.shard = input.shardId;
    say(`initialize ${this.shard} ${input.sequenceNumber}`);
    done();
  }

  processRecords(input, done) {
    console.log('a line of a program that prints');
    for (const record of input.records) {
      say(`record ${this.shard} ${Buffer.from(record.data, 'base64').toString()}`);
    }
    const died = `${out}.${this.shard}`;
    if (!fs.existsSync(died)) {
      fs.writeFileSync(died, '');
      process.exit(7);
    }
    const last = input.records[input.records.length - 1];
    input.checkpointer.checkpoint(last.sequenceNumber, (error) => {
      say(error ? `failed ${this.shard} ${error}` : `checkpoint ${this.shard}`);
      done();
    });
  }

  leaseLost(input, done) {
    say(`lost ${this.shard}`);
    done();
  }

  shardEnded(input, done) {
    input.checkpointer.checkpoint(() => {
      say(`ended ${this.shard}`);
      done();
    });
  }

  shutdownRequested(input, done) {
    input.checkpointer.checkpoint(() => {
      say(`shutdown ${this.shard}`);
      done();
    });
  }
}

kcl(new Processor()).run();
