// The AWS SDK for JavaScript v3 against a Kinesis server: a pass for each argument RUN=ENDPOINT, and a line of JSON for each
// thing that it tried. Key and region come from the environment variables of AWS, the certificate authority from Node's.
import { createRequire } from "node:module";
import { Kinesis } from "@aws-sdk/client-kinesis";
import { streams } from "./streams.mjs";
import { records } from "./records.mjs";
import { reshards } from "./reshards.mjs";
import { settings } from "./settings.mjs";
import { consumers } from "./consumers.mjs";
import { errors } from "./errors.mjs";

const version = createRequire(import.meta.url)("@aws-sdk/client-kinesis/package.json").version;

export class Run {
  constructor(name, endpoint) {
    this.name = name;
    this.endpoint = endpoint;
    this.client = this.connect({});
  }

  // Another client of the same endpoint.
  connect(options) {
    return new Kinesis({ endpoint: this.endpoint, ...options });
  }

  // Tries one thing, which fails by throwing.
  async test(area, test, body) {
    let detail = "";
    try {
      await body();
    } catch (error) {
      detail = `${error?.stack ?? error}\n${error?.$response ? JSON.stringify(error.$response.headers) : ""}`;
    }
    const line = { client: "AWS SDK for JavaScript v3", version, run: this.name, area, test, ok: detail === "", detail };
    console.log(JSON.stringify(line));
  }

  async create(name, shards, tags) {
    await this.client.createStream({ StreamName: name, ShardCount: shards, Tags: tags });
    await this.active(name);
    return name;
  }

  async active(name) {
    await eventually(`${name} is ACTIVE`, async () => (await this.summary(name)).StreamStatus === "ACTIVE");
  }

  async summary(name) {
    return (await this.client.describeStreamSummary({ StreamName: name })).StreamDescriptionSummary;
  }

  async arn(name) {
    return (await this.summary(name)).StreamARN;
  }

  async open(name) {
    const { Shards } = await this.client.listShards({ StreamName: name, ShardFilter: { Type: "AT_LATEST" } });
    return Shards.sort((a, b) => (start(a) < start(b) ? -1 : 1));
  }

  async iterator(name, shard, kind, more) {
    const answer = await this.client.getShardIterator({ StreamName: name, ShardId: shard, ShardIteratorType: kind, ...more });
    return answer.ShardIterator;
  }

  // Every record from the iterator on, to the shard's end or to its tip, and the children if it has ended.
  async read(iterator, limit) {
    const records = [];
    for (;;) {
      const answer = await this.client.getRecords({ ShardIterator: iterator, Limit: limit });
      records.push(...answer.Records);
      equal(answer.NextShardIterator === undefined, (answer.ChildShards ?? []).length > 0);
      if (answer.NextShardIterator === undefined || (answer.Records.length === 0 && answer.MillisBehindLatest === 0)) {
        return { records, children: answer.ChildShards ?? [] };
      }
      iterator = answer.NextShardIterator;
    }
  }

  async readAll(name, shard) {
    return (await this.read(await this.iterator(name, shard, "TRIM_HORIZON"))).records;
  }

  put(name, key, data) {
    return this.client.putRecord({ StreamName: name, PartitionKey: key, Data: Buffer.from(data) });
  }

  async putAll(name, entries) {
    const answer = await this.client.putRecords({ StreamName: name, Records: entries });
    equal(answer.FailedRecordCount, 0);
    equal(answer.Records.length, entries.length);
    return answer.Records;
  }

  async split(name, shard) {
    const middle = (start(shard) + BigInt(shard.HashKeyRange.EndingHashKey)) / 2n + 1n;
    await this.client.splitShard({ StreamName: name, ShardToSplit: shard.ShardId, NewStartingHashKey: `${middle}` });
    await this.active(name);
  }

  async merge(name, low, high) {
    await this.client.mergeShards({ StreamName: name, ShardToMerge: low.ShardId, AdjacentShardToMerge: high.ShardId });
    await this.active(name);
  }

  // Writes numbered records for eight keys until it is stopped; then it says how many.
  writer(name) {
    let stopped = false;
    const work = (async () => {
      let written = 0;
      while (!stopped) {
        const numbers = Array.from({ length: 2 * KEYS }, (_, i) => written + i);
        await this.putAll(name, numbers.map((at) => ({ PartitionKey: `key ${at % KEYS}`, Data: Buffer.from(`${at}`) })));
        written += numbers.length;
      }
      return written;
    })();
    return () => {
      stopped = true;
      return work;
    };
  }
}

const KEYS = 8;
export const FIRST = "shardId-000000000000";

// What a reader has seen: the records of every key in order, each once.
export class Journal {
  last = new Map();
  total = 0;

  add(record) {
    const at = Number(text(record.Data));
    const before = this.last.get(record.PartitionKey);
    ensure(before === undefined ? at < KEYS : at === before + KEYS, `${record.PartitionKey}: ${at} comes after ${before}`);
    this.last.set(record.PartitionKey, at);
    this.total += 1;
  }
}

export const start = (shard) => BigInt(shard.HashKeyRange.StartingHashKey);
export const text = (bytes) => Buffer.from(bytes).toString();
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function ensure(holds, what) {
  if (!holds) {
    throw new Error(what);
  }
}

export function equal(found, wanted) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  ensure(a === b, `found ${a}, not ${b}`);
}

export function recent(moment) {
  ensure(moment instanceof Date && Math.abs(Date.now() - moment.getTime()) < 300_000, `${moment} is not now`);
}

export async function eventually(what, done) {
  for (const end = Date.now() + 30_000; Date.now() < end; await pause(20)) {
    if (await done()) {
      return;
    }
  }
  throw new Error(`in vain waited for: ${what}`);
}

// The error that a call ends with, which has this name and a message that has this in it.
export async function refused(name, message, call) {
  let error;
  try {
    await call;
  } catch (caught) {
    error = caught;
  }
  ensure(error !== undefined, `not refused with ${name}`);
  if (error.name !== name) {
    throw error;
  }
  ensure(error.message.includes(message), `${error.message} says nothing of ${message}`);
  return error;
}

for (const argument of process.argv.slice(2)) {
  const at = argument.indexOf("=");
  const run = new Run(argument.slice(0, at), argument.slice(at + 1));
  for (const part of [streams, settings, records, reshards, consumers, errors]) {
    await part(run);
  }
  run.client.destroy();
}
