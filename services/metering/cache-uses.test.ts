/** Proves that what routing tells of the cache is counted once, and stands in reports beside the attempts, or alone. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { RecordCacheUsesRequestSchema } from "#gen/weir/metering/v1/cache_use_pb.ts";
import { QueryUsageRequestSchema, UsageDimension } from "#gen/weir/metering/v1/usage_report_pb.ts";
import { startTestMetering, testContext, testNowMs, usageEvent, type TestMetering } from "./usage-events.fixture.ts";

const dayMs = 86_400_000;

interface Told {
  readonly hit?: boolean;
  readonly timeMs?: number;
  readonly model?: string;
  readonly keyId?: string;
}

function tell({ implementation }: TestMetering, senderId: string, sequence: bigint, ...uses: readonly Told[]) {
  const made = uses.map(({ hit = true, timeMs = testNowMs, model = "demo-chat", keyId = "key_a" }) => ({
    time: timestampFromMs(timeMs),
    attribution: { organizationId: "org_a", teamId: "team_a", keyId, labels: { application: "shop", secret: "x" } },
    route: "chat",
    provider: "main",
    vendor: "demo",
    model,
    hit,
  }));
  return implementation.recordCacheUses(create(RecordCacheUsesRequestSchema, { senderId, sequence, uses: made }), testContext);
}

async function report({ implementation }: TestMetering, groupBy: UsageDimension[], days = 30) {
  const { rows } = await implementation.queryUsage(create(QueryUsageRequestSchema, { groupBy, startTime: timestampFromMs(testNowMs - days * dayMs) }), testContext);
  return rows.map(({ group, attempts, cacheHits, cacheMisses }) => [...group, attempts, cacheHits, cacheMisses]);
}

test("each request of a sender counts once, however often it comes", async () => {
  const metering = await startTestMetering();
  await tell(metering, "one", 1n, {}, { hit: false });
  await tell(metering, "one", 1n, {}, { hit: false });
  await tell(metering, "two", 1n, {});
  await tell(metering, "one", 2n, {});
  await Promise.all([tell(metering, "one", 3n, {}), tell(metering, "one", 3n, {}), tell(metering, "two", 2n, {})]);
  expect(await report(metering, [])).toEqual([[0n, 5n, 1n]]);
});

test("they stand beside the attempts of the same group, in every period, whole days or not", async () => {
  const metering = await startTestMetering();
  await metering.record(usageEvent({ attempt: 1, priceVersion: metering.priceVersion, route: "chat" }));
  await tell(metering, "one", 1n, {}, { timeMs: testNowMs - dayMs }, { timeMs: testNowMs - 10 * dayMs, hit: false }, { model: "\0other", keyId: "key_b" });
  expect(await report(metering, [UsageDimension.MODEL])).toEqual([["main/demo-chat", 1n, 2n, 1n], ["main/other", 0n, 1n, 0n]]);
  expect(await report(metering, [UsageDimension.KEY, UsageDimension.DAY], 2)).toEqual([["key_a", "2026-11-20", 1n, 1n, 0n], ["key_a", "2026-11-19", 0n, 1n, 0n], ["key_b", "2026-11-20", 0n, 1n, 0n]]);
  const hours = await report(metering, [UsageDimension.HOUR], 12);
  expect(hours.reduce((sum, [, , hits]) => sum + (hits as bigint), 0n)).toBe(3n);
});
