/** Proves that what an earlier version has summed up is taken over. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { expect, onTestFinished, test } from "vitest";
import { QueryUsageRequestSchema } from "#gen/weir/metering/v1/usage_report_pb.ts";
import { openDatabase, type Database } from "#platform/database/database.ts";
import { createLogger } from "#platform/logger.ts";
import { createEmptyDatabase } from "../../test/harness/database.ts";
import { migrationsDirectory } from "./service.ts";
import { startMeteringOn, testContext, testNowMs } from "./usage-events.fixture.ts";

test("histograms that were lists are the same as numbers", async () => {
  const connection = await createEmptyDatabase();
  const open = async (directory: string): Promise<Database> => openDatabase({ connection, schema: "metering", migrationsDirectory: directory, logger: createLogger("silent") });
  const before = await open(await migrationsBefore(28));
  for (const [table, time] of [["usage_rollups", "hour"], ["usage_days", "day"]] as const) {
    await before.query(
      `insert into ${table} (${time}, organization_id, team_id, key_id, route, provider, vendor, model, report_labels, attempts, failed_attempts, orphaned_attempts, unpriced_attempts, cost_nanos, charge_nanos, quantities, durations, first_bytes)
       values (date_trunc('${time}', $1::timestamptz, 'UTC'), 'org_a', 'team_a', 'key_a', '', 'main', 'demo', 'demo-chat', '{}', 100, 0, 0, 0, 0, 0, '{}', '{0,94,0,0,6}', '{}')`,
      [new Date(testNowMs).toISOString()],
    );
  }
  await before.close();

  const after = await open(migrationsDirectory);
  onTestFinished(() => after.close());
  const { implementation } = await startMeteringOn(after);
  const { rows } = await implementation.queryUsage(create(QueryUsageRequestSchema, { withLatency: true }), testContext);
  expect(rows.map(({ attempts, duration, firstByte }) => [attempts, duration!.p50Ms, duration!.p95Ms, firstByte])).toEqual([[100n, 1n, 4n, undefined]]);
  expect((await after.query("select durations::text, first_bytes::text from usage_days")).rows).toEqual([{ durations: `6${"0".repeat(34)}94${"0".repeat(12)}`, first_bytes: "0" }]);
});

/** The migrations of the version before this one, by themselves. */
async function migrationsBefore(version: number): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "weir-migrations-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  await cp(migrationsDirectory, directory, { recursive: true, filter: (file) => !(Number(basename(file).slice(0, 3)) >= version) });
  return directory;
}
