/** Proves that the sweep of the counters keeps nobody from drawing, and leaves nothing behind. */
import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { PermitDrawSchema, RateDrawSchema } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import type { Database, Queryable } from "#platform/database/database.ts";
import { createTestDatabase } from "../../../test/harness/database.ts";
import { migrationsDirectory } from "../service.ts";
import { drawPermits, drawRates, sweepCounters } from "./rate-counters.ts";

const places = [1, 2, 3];
const mostCounters = 10;

it("waits for nobody who draws, and nobody waits for it", async () => {
  const database = await expiredCounters();
  await database.transaction(async (transaction) => {
    await draw(transaction, 2);
    await sweepCounters(database, mostCounters);
    for (const place of places) await draw(transaction, place);
  });
  expect(await countedIn(database)).toEqual({ counters: places.length * 2, permits: places.length });
  await database.close();
}, 10_000);

it("forgets all that has expired, however much it is", async () => {
  const database = await expiredCounters();
  await database.query("INSERT INTO rate_counters (rate_limit_id, counter, expire_time) SELECT 'many', int4send(place), now() - interval '1 s' FROM generate_series(1, 2500) AS place");
  await sweepCounters(database, mostCounters);
  expect(await countedIn(database)).toEqual({ counters: 0, permits: 0 });
  await database.close();
});

async function expiredCounters(): Promise<Database> {
  const database = await createTestDatabase({ schema: "policy", migrationsDirectory });
  for (const place of places) await draw(database, place);
  for (const table of ["rate_counters", "rate_permits"]) await database.query(`UPDATE ${table} SET expire_time = now() - interval '1 s'`);
  return database;
}

async function draw(on: Queryable, place: number): Promise<void> {
  const counter = Buffer.alloc(16, place);
  await drawRates(on, "process", [create(RateDrawSchema, { rateLimitId: "requests", counter, amount: 10n, window: { seconds: 60n }, need: 1n })], []);
  await drawPermits(on, "process", [create(PermitDrawSchema, { rateLimitId: "at one time", counter, amount: 10n, running: 1n })], []);
}

async function countedIn(database: Database): Promise<unknown> {
  const { rows } = await database.query("SELECT (SELECT count(*)::int FROM rate_counters) AS counters, (SELECT count(*)::int FROM rate_permits) AS permits");
  return rows[0];
}
