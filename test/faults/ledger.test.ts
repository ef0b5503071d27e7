/**
 * Owns the proof that the ledger is what its rules say, whatever is commanded in whichever order: a model, written again as plainly as the rules
 * are said, is compared with it after every command. `npm run faults` commands 100,000; WEIR_SEED takes a printed seed again.
 */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CheckLedgerRequestSchema, RebuildLedgerRequestSchema } from "#gen/weir/metering/v1/ledger_pb.ts";
import { ImportPricesRequestSchema } from "#gen/weir/metering/v1/price_book_pb.ts";
import { ReconcileUsageRequestSchema } from "#gen/weir/metering/v1/reconciliation_pb.ts";
import { RerateUsageRequestSchema } from "#gen/weir/metering/v1/rerating_pb.ts";
import { AttemptResult, type UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { foldDeltas } from "../../services/metering/store/fold-deltas.ts";
import { reconcile, startTestMetering, testContext, testNowMs, usageEvent, type TestMetering } from "../../services/metering/usage-events.fixture.ts";
import { seededRandom } from "../harness/random.ts";
import { seed } from "../harness/seed.ts";

const isLong = process.env["WEIR_TEST_LEVEL"] === "faults";
const patienceMs = isLong ? 4 * 3_600_000 : 60_000;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const day = testNowMs - (testNowMs % dayMs);

/** Dollars per million tokens, and the mark-up of org_b in thousandths. */
interface Prices {
  readonly input: bigint;
  readonly output: bigint;
  readonly markUp: bigint;
}

interface Line {
  readonly rank: UsageSource;
  readonly isKnownModel: boolean;
  readonly organization: string;
  readonly usage: Readonly<Record<number, bigint>> | null;
  version: string;
}

interface Model {
  readonly lines: Map<number, Line>;
  /** By version, in the order of their import. */
  readonly prices: Map<string, Prices>;
  rerates: number;
  /** What the vendor billed beyond the ledger, when it was last reconciled. */
  difference: bigint;
}

type LedgerCommand = fc.AsyncCommand<Model, TestMetering>;

const ranks: readonly UsageSource[] = [UsageSource.ORPHANED, UsageSource.UNSPECIFIED, UsageSource.ESTIMATED, UsageSource.PROVIDER, UsageSource.IMPORTED];
const tables = "attempts, superseded_attempts, postings, usage_deltas, usage_rollups, usage_days, balances, rerates, rerate_differences, vendor_lines, vendor_postings";

function costOf({ usage, version, isKnownModel }: Line, { prices }: Model): bigint {
  const book = prices.get(version);
  if (usage === null || book === undefined || !isKnownModel) return 0n;
  return 1_000n * (usage[Meter.INPUT_TOKENS]! * book.input + usage[Meter.REASONING_OUTPUT_TOKENS]! * book.output);
}

function chargeOf(line: Line, model: Model): bigint {
  const cost = costOf(line, model);
  if (line.organization !== "org_b") return cost;
  return (cost * (1_000n + (model.prices.get(line.version)?.markUp ?? 0n)) + 500n) / 1_000n;
}

function nth<Value>(values: Iterable<Value>, index: number): Value | undefined {
  const all = [...values];
  return all[index % all.length];
}

function command(name: string, run: (model: Model, metering: TestMetering) => Promise<void>): LedgerCommand {
  return {
    check: () => true,
    toString: () => name,
    async run(model, metering) {
      executed++;
      await run(model, metering);
      await compare(model, metering);
    },
  };
}

const event = fc.record({
  attempt: fc.integer({ min: 1, max: 12 }),
  rank: fc.constantFrom(...ranks),
  isKnownModel: fc.boolean(),
  version: fc.nat({ max: 5 }),
  hasVersion: fc.boolean(),
  result: fc.constantFrom(AttemptResult.SUCCEEDED, AttemptResult.FAILED, AttemptResult.ORPHANED),
  usage: fc.option(fc.record({ [Meter.INPUT_TOKENS]: fc.bigInt(0n, 10n ** 9n), [Meter.REASONING_OUTPUT_TOKENS]: fc.bigInt(0n, 10n ** 9n) })),
});

const record = fc.array(event, { minLength: 1, maxLength: 8 }).map((events) =>
  command(`record ${fc.stringify(events)}`, async (model, metering) => {
    const sent = events.map(({ attempt, version, hasVersion, ...rest }) => ({ ...rest, attempt, version: hasVersion ? nth(model.prices.keys(), version)! : "pri_unknown", organization: attempt % 3 === 0 ? "org_b" : "org_a" }));
    // The intent is said once: by the strongest event of the first batch. Of an attempt that stands, only the outcome changes.
    const strongest = new Map<number, (typeof sent)[number]>();
    for (const next of sent) if (!strongest.has(next.attempt) || outranks(next.rank, strongest.get(next.attempt)!.rank)) strongest.set(next.attempt, next);
    for (const [attempt, { rank, usage, isKnownModel, version, organization }] of strongest) {
      const standing = model.lines.get(attempt);
      if (standing === undefined) model.lines.set(attempt, { rank, usage, isKnownModel, version, organization });
      else if (outranks(rank, standing.rank)) model.lines.set(attempt, { ...standing, rank, usage });
    }
    const { rejected } = await metering.record(
      ...sent.map(({ attempt, version, isKnownModel, organization, rank, result, usage }) =>
        usageEvent({ attempt, rank, result, usage, organization, priceVersion: version, model: isKnownModel ? "demo-chat" : "nobody-knows", key: `key_${attempt % 4}`, timeMs: testNowMs - (attempt % 3) * hourMs }),
      ),
    );
    expect(rejected).toEqual([]);
  }),
);

const importPrices = fc
  .record({ input: fc.bigInt(1n, 4n), output: fc.bigInt(1n, 4n), markUp: fc.bigInt(-900n, 900n) })
  .map((prices) => command(`import ${fc.stringify(prices)}`, (model, metering) => importInto(model, metering, prices)));

const rerate = fc.record({ version: fc.nat({ max: 5 }), isOfOneModel: fc.boolean() }).map(({ version, isOfOneModel }) =>
  command(`rerate by ${version}${isOfOneModel ? ", one model" : ""}`, async (model, { implementation }) => {
    const priceVersion = nth(model.prices.keys(), version)!;
    for (const line of model.lines.values()) if (line.isKnownModel || !isOfOneModel) line.version = priceVersion;
    const request = { rerateId: `rerate-${++model.rerates}`, priceVersion, model: isOfOneModel ? "demo/demo-chat" : "", startTime: timestampFromMs(day), endTime: timestampFromMs(day + dayMs) };
    await implementation.rerateUsage(create(RerateUsageRequestSchema, request), testContext);
  }),
);

const bill = fc.bigInt(0n, 10n ** 13n).map((billed) =>
  command(`bill ${billed}`, async (model, { implementation }) => {
    const line = { lineId: "day", startTime: timestampFromMs(day), endTime: timestampFromMs(day + dayMs), costNanos: billed };
    await implementation.reconcileUsage(create(ReconcileUsageRequestSchema, { vendor: "demo", source: "bill", lines: [line] }), testContext);
    model.difference = billed - sum(model, costOf);
  }),
);

const fold = fc.integer({ min: 1, max: 10 }).map((limit) => command(`fold ${limit}`, async (_, { database }) => void (await foldDeltas(database, limit))));
const rebuild = fc.constant(command("rebuild", async (_, { implementation }) => void (await implementation.rebuildLedger(create(RebuildLedgerRequestSchema), testContext))));

let executed = 0;

test("debits = credits = sums = the model after each command: events of all ranks, prices, re-ratings, bills, folds and rebuilds", { timeout: patienceMs }, async () => {
  const metering = await startTestMetering();
  const commands = fc.commands([record, record, record, importPrices, rerate, bill, fold, rebuild], { maxCommands: 60, size: "max" });
  const goal = isLong ? 100_000 : 250;
  console.log(`commands by WEIR_SEED=${seed}`);
  for (let round = 0; executed < goal; round++) {
    await fc.assert(
      fc.asyncProperty(commands, async (chosen) => {
        await metering.database.query(`truncate ${tables}`);
        await fc.asyncModelRun(async () => {
          const model: Model = { lines: new Map(), prices: new Map(), rerates: 0, difference: 0n };
          await importInto(model, metering, { input: 1n, output: 4n, markUp: 0n });
          return { model, real: metering };
        }, chosen);
        expect((await metering.implementation.checkLedger(create(CheckLedgerRequestSchema), testContext)).differences).toEqual([]);
      }),
      { numRuns: 3, seed: seed + round },
    );
  }
});

test("the same sums whatever is replayed, shuffled, duplicated and at once, and rebuilt", { timeout: patienceMs }, async () => {
  const metering = await startTestMetering();
  const { database, implementation, priceVersion } = metering;
  const random = seededRandom(seed);
  const events = Array.from({ length: isLong ? 5_000 : 150 }, (_, attempt) => eventsOf(attempt, priceVersion, random)).flat();
  await replay(metering, events, random);
  const standing = await sumsOf(metering);
  expect(standing.attempts).toHaveLength(new Set(events.map(({ intent }) => intent!.attemptId)).size);
  for (let time = 1; time <= 10; time++) await replay(metering, [...events, ...events.filter(() => random() < 0.3)], random);
  expect(await sumsOf(metering)).toEqual(standing);
  await implementation.rebuildLedger(create(RebuildLedgerRequestSchema), testContext);
  expect(await sumsOf(metering)).toEqual(standing);

  await database.query(`truncate ${tables}`);
  await replay(metering, [...events, ...events.filter(() => random() < 0.3)], random);
  expect(await sumsOf(metering)).toEqual(standing);
});

async function importInto(model: Model, { implementation }: TestMetering, prices: Prices): Promise<void> {
  const percent = `${prices.markUp < 0n ? "-" : ""}${String(prices.markUp < 0n ? -prices.markUp : prices.markUp).padStart(2, "0").replace(/(.)$/, ".$1")}`;
  const { priceVersion } = await implementation.importPrices(
    create(ImportPricesRequestSchema, { prices: [{ name: "demo/demo-chat", price: { input: String(prices.input), output: String(prices.output) } }], adjustments: [{ organizationId: "org_b", models: "*", percent }] }),
    testContext,
  );
  model.prices.set(priceVersion, prices);
}

async function compare(model: Model, { database }: TestMetering): Promise<void> {
  const [attempts, cost, charge] = [BigInt(model.lines.size), sum(model, costOf), sum(model, chargeOf)];
  const quantity = [...model.lines.values()].reduce((total, { usage }) => total + (usage === null ? 0n : usage[Meter.INPUT_TOKENS]! + usage[Meter.REASONING_OUTPUT_TOKENS]!), 0n);
  expect(await reconcile(database)).toMatchObject({ attempts, rollup_attempts: attempts, cost, rollup_cost: cost, debits: charge, credits: cost, unbalanced: 0n, quantity, rollup_quantity: quantity });
  const { rows } = await database.query(`
    select (select coalesce(sum(amount_nanos), 0)::int8 from postings) as postings, (select coalesce(sum(amount_nanos), 0)::int8 from vendor_postings) as vendor_postings,
           (select coalesce(sum(amount_nanos), 0)::int8 from balances) as balances, (select coalesce(sum(amount_nanos), 0)::int8 from balances where account = 'difference:demo') as difference,
           (select coalesce(sum(amount_nanos), 0)::int8 from balances where account like 'key:%') + (select coalesce(sum(charge_nanos), 0)::int8 from usage_deltas) as charged`);
  expect(rows).toEqual([{ postings: 0n, vendor_postings: 0n, balances: 0n, difference: model.difference, charged: charge }]);
}

function sum(model: Model, amountOf: (line: Line, model: Model) => bigint): bigint {
  return [...model.lines.values()].reduce((total, line) => total + amountOf(line, model), 0n);
}

function outranks(left: UsageSource, right: UsageSource): boolean {
  return ranks.indexOf(left) > ranks.indexOf(right);
}

/** One to four events of an attempt; whatever comes first, the strongest says what stands. */
function eventsOf(attempt: number, priceVersion: string, random: () => number): UsageEvent[] {
  const common = { attempt, priceVersion, organization: `org_${attempt % 3}`, key: `key_${attempt % 7}`, timeMs: testNowMs - (attempt % 5) * hourMs };
  return ranks
    .filter(() => random() < 0.6)
    .map((rank) => usageEvent({ ...common, rank, result: rank === UsageSource.ORPHANED ? AttemptResult.ORPHANED : AttemptResult.SUCCEEDED, durationMs: BigInt(attempt * rank), usage: rank === UsageSource.UNSPECIFIED ? null : { [Meter.INPUT_TOKENS]: BigInt(attempt * 10 + rank), [Meter.OUTPUT_TOKENS]: BigInt(rank) } }));
}

/** Sends the events in an order of its own, in batches of any size, four at a time. */
async function replay(metering: TestMetering, events: readonly UsageEvent[], random: () => number): Promise<void> {
  const waiting = events.map((sent) => ({ sent, place: random() })).sort((left, right) => left.place - right.place);
  const emit = async (): Promise<void> => {
    while (waiting.length > 0) {
      const { rejected } = await metering.record(...waiting.splice(0, 1 + Math.floor(random() * 100)).map(({ sent }) => sent));
      expect(rejected).toEqual([]);
    }
  };
  await Promise.all(Array.from({ length: 4 }, emit));
}

async function sumsOf({ database }: TestMetering) {
  while ((await foldDeltas(database, 1_000)) > 0);
  const select = async (text: string) => (await database.query<Record<string, unknown>>(text)).rows;
  return {
    attempts: await select("select attempt_id, rank, result, cost_nanos, charge_nanos, quantities from attempts order by attempt_id"),
    postings: await select("select attempt_id, account, sum(amount_nanos)::int8 as amount from postings group by 1, 2 having sum(amount_nanos) <> 0 order by 1, 2"),
    rollups: await select(`select hour, organization_id, key_id, attempts, failed_attempts, orphaned_attempts, unpriced_attempts, cost_nanos, charge_nanos, array_trim_zeros(quantities) as quantities, durations, first_bytes
                           from usage_rollups order by hour, organization_id, key_id`),
    days: await select("select day, organization_id, key_id, attempts, cost_nanos, charge_nanos, array_trim_zeros(quantities) as quantities, durations from usage_days order by day, organization_id, key_id"),
    balances: await select("select account, month, amount_nanos from balances where amount_nanos <> 0 order by account, month"),
  };
}
