/** Proves the doors of the price book: what is imported is in force, kept with who did it, and listed as it was written. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ListAttemptsRequestSchema } from "#gen/weir/metering/v1/attempt_pb.ts";
import { ImportPricesRequestSchema, ListPriceImportsRequestSchema, ListPricesRequestSchema } from "#gen/weir/metering/v1/price_book_pb.ts";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { currentPriceVersion, reconcile, startMeteringOn, startTestMetering, testContext, testNowMs, usageEvent, type TestMetering } from "./usage-events.fixture.ts";

const finance = { ...testContext, identity: { kind: "caller" as const, grant: create(GrantSchema, { keyId: "key_finance", organizationId: "org_a" }) } };

function importPrices({ implementation }: TestMetering, request: MessageInitShape<typeof ImportPricesRequestSchema>) {
  return implementation.importPrices(create(ImportPricesRequestSchema, request), finance);
}

function listPrices({ implementation }: TestMetering, request: MessageInitShape<typeof ListPricesRequestSchema> = {}) {
  return implementation.listPrices(create(ListPricesRequestSchema, request), finance);
}

test("imported prices come into force, in every metering, and calls are rated by the entry of their start and tier", async () => {
  const metering = await startTestMetering();
  const other = await startMeteringOn(metering.database);
  const { priceVersion } = await importPrices(metering, {
    prices: [
      { name: "demo/demo-chat", price: { input: "2", output: "8", until: "2026-11-20T12:00:00Z", tierMultipliers: { batch: "0.5" } } },
      { name: "demo/demo-chat", price: { input: "3", output: "12" } },
    ],
    adjustments: [{ organizationId: "org_a", models: "demo/*", percent: "-50" }],
  });
  await expect.poll(() => currentPriceVersion(other.implementation)).toBe(priceVersion);

  const usage = { [Meter.INPUT_TOKENS]: 1_000_000n };
  await other.record(
    usageEvent({ attempt: 1, priceVersion, usage, timeMs: Date.UTC(2026, 10, 20, 12) - 1 }),
    usageEvent({ attempt: 2, priceVersion, usage, timeMs: Date.UTC(2026, 10, 20, 12) - 1, serviceTier: "batch" }),
    usageEvent({ attempt: 3, priceVersion, usage, timeMs: Date.UTC(2026, 10, 20, 12), organization: "org_b", key: "key_b" }),
  );
  const { attempts } = await metering.implementation.listAttempts(create(ListAttemptsRequestSchema), testContext);
  expect(attempts.map(({ costNanos, chargeNanos }) => [costNanos, chargeNanos])).toEqual([
    [3_000_000_000n, 3_000_000_000n],
    [1_000_000_000n, 500_000_000n],
    [2_000_000_000n, 1_000_000_000n],
  ]);
  const { rows } = await metering.database.query("select account, sum(amount_nanos)::int8 as amount from postings group by account order by account");
  expect(rows).toEqual([
    { account: "key:key_a", amount: 1_500_000_000n },
    { account: "key:key_b", amount: 3_000_000_000n },
    { account: "margin:org_a", amount: 1_500_000_000n },
    { account: "vendor:demo", amount: -6_000_000_000n },
  ]);
  expect(await reconcile(metering.database)).toMatchObject({ unbalanced: 0n, debits: 4_500_000_000n, credits: 6_000_000_000n });
});

test("an import says what it changes, changes nothing as a dry run, and the same again is no import", async () => {
  const metering = await startTestMetering();
  const prices = [{ name: "demo/demo-chat", price: { input: "2", output: "8" } }];
  const changes = [{ name: "demo/demo-chat", before: [{ input: "1", output: "4" }], after: [{ input: "2", output: "8" }] }];

  expect(await importPrices(metering, { prices, dryRun: true })).toMatchObject({ changes, adjustmentsChanged: false });
  expect(await currentPriceVersion(metering.implementation)).toBe(metering.priceVersion);
  const { priceVersion } = await importPrices(metering, { prices });
  expect((await importPrices(metering, { prices })).changes).toEqual([]);
  await importPrices(metering, {});

  const imports = await metering.implementation.listPriceImports(create(ListPriceImportsRequestSchema), finance);
  expect(imports.imports).toMatchObject([
    { importedBy: "key_finance", priceVersion: metering.priceVersion, prices: 0 },
    { importedBy: "key_finance", priceVersion, prices: 1 },
  ]);
});

test("what could never hold for a call is refused: days that there are not, and ends before beginnings", async () => {
  const metering = await startTestMetering();
  const price = { input: "2" };
  const adjustment = { organizationId: "org_a", models: "*", percent: "10" };
  await expect(importPrices(metering, { prices: [{ name: "mine/a", price: { ...price, from: "2026-02-31" } }] })).rejects.toMatchObject({ reason: "INVALID_REQUEST", message: expect.stringMatching(/^prices\[0\] \(mine\/a\): "2026-02-31" is no moment/) });
  await expect(importPrices(metering, { adjustments: [{ ...adjustment, from: "2027-01-01", until: "2026-01-01" }] })).rejects.toMatchObject({ reason: "INVALID_REQUEST", message: expect.stringContaining("from 2027-01-01 is not before until 2026-01-01") });
});

test("what stands behind what covers the same calls is refused: it would never hold", async () => {
  const metering = await startTestMetering();
  const named = (...prices: object[]) => importPrices(metering, { prices: prices.map((price) => ({ name: "mine/a", price })), dryRun: true });
  const covered = { reason: "INVALID_REQUEST", message: expect.stringMatching(/^prices\[1\] \(mine\/a\): it never holds, as prices\[0\] \(mine\/a\)/) };
  await expect(named({ input: "1" }, { input: "2" })).rejects.toMatchObject(covered);
  await expect(named({ input: "1" }, { input: "2", from: "2026-12-01" })).rejects.toMatchObject(covered);
  await expect(named({ input: "1", until: "2026-12-01" }, { input: "2", serviceTiers: ["flex"], until: "2026-11-01" })).rejects.toMatchObject(covered);
  await named({ input: "2", from: "2026-12-01" }, { input: "1" });
  await named({ input: "2", until: "2026-12-01" }, { input: "1", from: "2026-11-01" });
  await named({ input: "2", serviceTiers: ["flex"] }, { input: "1", serviceTiers: ["flex", "batch"] }, { input: "1", tierMultipliers: { flex: "0.5" } });

  const adjusted = (...models: string[]) => importPrices(metering, { adjustments: models.map((name) => ({ organizationId: "org_a", models: name, percent: "10" })), dryRun: true });
  await expect(adjusted("*", "openai/*")).rejects.toMatchObject({ message: expect.stringContaining("adjustments[1] (org_a): it never holds") });
  await expect(adjusted("openai/*", "openai/gpt-6-sol")).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
  await adjusted("openai/gpt-6-sol", "openai/*", "open/*", "*");
});

test("a version is listed as it was written, also when it is no longer in force, page by page", async () => {
  const metering = await startTestMetering();
  const price = { input: "2", image: "0.04", request: "0.001", longPrompt: { aboveInputTokens: 100n, input: "4" }, serviceTiers: ["standard"], from: "2026-12-01" };
  const { priceVersion } = await importPrices(metering, { prices: [{ name: "mine/a", price }, { name: "mine/b", price: { input: "1" } }] });
  await importPrices(metering, {});

  const first = await listPrices(metering, { priceVersion, namePrefix: "mine/", pageSize: 1 });
  expect(first).toMatchObject({ priceVersion, prices: [{ name: "mine/a", price }] });
  const second = await listPrices(metering, { priceVersion, namePrefix: "mine/", pageSize: 1, pageToken: first.nextPageToken });
  expect(second).toMatchObject({ prices: [{ name: "mine/b" }], nextPageToken: "" });
  expect((await listPrices(metering, { namePrefix: "mine/" })).prices).toEqual([]);
  await expect(listPrices(metering, { priceVersion: "pri_never" })).rejects.toMatchObject({ reason: "NOT_FOUND" });
});

test("a price that cannot be read is refused with its place, and nothing is imported", async () => {
  const metering = await startTestMetering();
  const prices = [{ name: "mine/a", price: { input: "1" } }, { name: "mine/b", price: { from: "2026-02-30T99:00:00Z" } }];
  await expect(importPrices(metering, { prices })).rejects.toMatchObject({ reason: "INVALID_REQUEST", message: expect.stringContaining("prices[1] (mine/b)") as string });
  expect((await metering.database.query("select from price_imports")).rowCount).toBe(0);
});

test("a change of the built-in prices takes effect by itself, at its time", async () => {
  const metering = await startTestMetering();
  const { priceVersion } = metering;
  const changeMs = Date.UTC(2026, 11, 1);
  await metering.record(...[changeMs - 1, changeMs].map((timeMs, attempt) => usageEvent({ attempt, timeMs, priceVersion, vendor: "gemini", model: "gemini-4-carbon", usage: { [Meter.OUTPUT_TOKENS]: 1_000_000n } })));
  const { attempts } = await metering.implementation.listAttempts(create(ListAttemptsRequestSchema), testContext);
  expect(attempts.map(({ costNanos }) => costNanos)).toEqual([20_000_000_000n, 10_000_000_000n]);
  expect(changeMs).toBeGreaterThan(testNowMs);
});
