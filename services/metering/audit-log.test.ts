/** Proves the audit log: calls are listed with their outcomes, and whoever edits the record of them is found out. WEIR_SEED takes a printed seed again. */
import { createHash } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { seededRandom } from "../../test/harness/random.ts";
import { seed } from "../../test/harness/seed.ts";
import { ListAuditEntriesRequestSchema, ListAuditLinksRequestSchema, RecordAuditRequestSchema, VerifyAuditLogRequestSchema } from "#gen/weir/metering/v1/audit_pb.ts";
import type { AuditRecordSchema } from "#gen/weir/metering/v1/audit_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { createLogger } from "#platform/logger.ts";
import { createMetricsRegistry } from "#platform/metrics.ts";
import { startTestMetering, testContext, type TestMetering } from "./usage-events.fixture.ts";
import { keepAuditEntries } from "./keep-retention.ts";
import type { StoredHead } from "./store/audit-log.ts";
import { verifyChains, type AuditFault } from "./verify-audit-log.ts";
import { watchAuditLog } from "./watch-audit-log.ts";

type Sketch = MessageInitShape<typeof AuditRecordSchema>;

function recordOf(sketch: Sketch): Sketch {
  return { organizationId: "org_a", actor: "key_a", actorOrganizationId: "org_a", actorTeamId: "team_a", address: "192.0.2.7", method: "weir.policy.v1.PolicyService/CreateKey", requestJson: '{"name":"laptop"}', outcome: "ok", ...sketch };
}

async function record({ implementation }: TestMetering, ...sketches: Sketch[]): Promise<void> {
  await implementation.recordAudit(create(RecordAuditRequestSchema, { records: sketches.map(recordOf) }), testContext);
}

function list({ implementation }: TestMetering, query: MessageInitShape<typeof ListAuditEntriesRequestSchema> = {}) {
  return implementation.listAuditEntries(create(ListAuditEntriesRequestSchema, query), testContext);
}

function verify({ implementation }: TestMetering, query: MessageInitShape<typeof VerifyAuditLogRequestSchema> = {}) {
  return implementation.verifyAuditLog(create(VerifyAuditLogRequestSchema, query), testContext);
}

test("periods from before all time or beyond it have what there is", async () => {
  const metering = await startTestMetering();
  await record(metering, { callId: "req_1" });
  const last = { seconds: 253_402_300_799n, nanos: 999_999_999 };
  expect((await list(metering, { startTime: { seconds: -62_135_596_800n, nanos: 0 }, endTime: last })).entries).toHaveLength(1);
  expect((await list(metering, { startTime: last })).entries).toEqual([]);
});

test("a call is listed once, with its outcome when that is known, newest first, page by page", async () => {
  const metering = await startTestMetering();
  await record(metering, { callId: "req_1", outcome: "begun" });
  await record(metering, { callId: "req_1" });
  // A repetition, as after an answer that was lost.
  await record(metering, { callId: "req_1" });
  await record(metering, { callId: "req_2", outcome: "begun", method: "weir.policy.v1.PolicyService/DeleteMember" });
  await record(metering, { callId: "req_3", outcome: "PERMISSION_DENIED", actor: "key_b" }, { callId: "req_3", organizationId: "org_b", outcome: "PERMISSION_DENIED", actor: "key_b" });

  const all = await list(metering, { pageSize: 3 });
  expect(all.entries.map(({ organizationId, callId, outcome }) => [organizationId, callId, outcome])).toEqual([
    ["org_b", "req_3", "PERMISSION_DENIED"],
    ["org_a", "req_3", "PERMISSION_DENIED"],
    ["org_a", "req_2", "begun"],
  ]);
  const rest = await list(metering, { pageSize: 3, pageToken: all.nextPageToken });
  expect(rest).toMatchObject({ nextPageToken: "", entries: [{ sequence: 2n, callId: "req_1", actor: "key_a", actorOrganizationId: "org_a", actorTeamId: "team_a", address: "192.0.2.7", requestJson: '{"name":"laptop"}', outcome: "ok" }] });
  expect((await list(metering, { organizationId: "org_b" })).entries).toHaveLength(1);
  expect((await list(metering, { actor: "key_b" })).entries).toHaveLength(2);
  expect((await list(metering, { method: "DeleteMember" })).entries).toHaveLength(1);
  expect((await list(metering, { method: "weir.policy.v1.PolicyService/CreateKey", organizationId: "org_a" })).entries).toHaveLength(2);
});

test("what many tell at once is one chain, that anybody can compute from its texts", async () => {
  const metering = await startTestMetering();
  await Promise.all(Array.from({ length: 40 }, (_, n) => record(metering, { callId: `req_${n}`, organizationId: `org_${n % 2}` }, { callId: `req_${n}`, organizationId: `org_${(n + 1) % 2}`, requestJson: '{"name":"\\u0000 \\ud800 ü"}' })));
  const { entries, heads, faults } = await verify(metering);
  expect({ entries, faults }).toEqual({ entries: 80n, faults: [] });

  const { links } = await metering.implementation.listAuditLinks(create(ListAuditLinksRequestSchema, { organizationId: "org_0", pageSize: 1000 }), testContext);
  let hash = Buffer.alloc(32);
  for (const { entry } of links) hash = createHash("sha256").update(hash).update(entry).digest();
  expect(heads[0]).toMatchObject({ organizationId: "org_0", sequence: 40n, hash: hash.toString("hex") });
});

test("of an end that is cut off together with its head, the heads seen before tell, and the metering that has seen it", async () => {
  const metering = await startTestMetering();
  for (let n = 1; n <= 3; n++) await record(metering, { callId: `req_${n}` });
  const { heads } = await verify(metering);
  const metrics = createMetricsRegistry();
  const watch = watchAuditLog(metering.database, createLogger("silent"), metrics);
  await watch.look();

  await metering.database.query("delete from audit_entries where sequence = 3");
  await metering.database.query("update audit_heads set sequence = 2, hash = (select hash from audit_entries where sequence = 2)");
  expect((await verify(metering)).faults).toEqual([]);
  expect((await verify(metering, { knownHeads: heads })).faults).toMatchObject([{ organizationId: "org_a", sequence: 3n }]);
  expect((await verify(metering, { organizationId: "org_b", knownHeads: heads })).faults).toEqual([]);
  await watch.look();
  expect(await metrics.getSingleMetricAsString("weir_audit_faults_total")).toContain("weir_audit_faults_total 1");
  await watch.stop();
});

/** Six entries in each of two logs, of which the first three are past their retention and gone. */
async function startWithAnchor() {
  const metering = await startTestMetering();
  const older: string[] = [];
  for (let n = 1; n <= 12; n++) await record(metering, { callId: `req_${n}`, organizationId: `org_${n % 2}` });
  // Written anew as it would have been an hour ago: what is hashed has the time in it.
  for (const organization of ["org_0", "org_1"]) older.push(await setBack(metering.database, organization, [1n, 2n, 3n], 3_600_000));
  const { heads } = await verify(metering);
  const stop = keepAuditEntries(metering.database, () => 1_800_000, createLogger("silent"));
  await expect.poll(async () => (await verify(metering)).anchors.length).toBe(2);
  await stop();
  return { metering, heads, older };
}

/** As if these entries of a log had been recorded so much earlier; returns the hash of the last of them. */
async function setBack(queryable: Queryable, organization: string, sequences: readonly bigint[], byMs: number): Promise<string> {
  const { rows } = await queryable.query<{ sequence: bigint; entry: string }>("select sequence, entry from audit_entries where organization_id = $1 order by sequence", [organization]);
  let hash = Buffer.alloc(32);
  let last = "";
  for (const { sequence, entry } of rows) {
    const text = JSON.parse(entry) as { time: string };
    if (sequences.includes(sequence)) text.time = new Date(Date.parse(text.time) - byMs).toISOString();
    const written = JSON.stringify(text);
    hash = createHash("sha256").update(hash).update(written).digest();
    await queryable.query("update audit_entries set entry = $3, hash = $4, record_time = $5 where organization_id = $1 and sequence = $2", [organization, sequence.toString(), written, hash, text.time]);
    if (sequence === sequences.at(-1)) last = hash.toString("hex");
  }
  await queryable.query("update audit_heads set hash = $2 where organization_id = $1", [organization, hash]);
  return last;
}

test("what is past its retention is gone, and the rest verifies from where it begins", async () => {
  const { metering, heads, older } = await startWithAnchor();
  const verified = await verify(metering, { knownHeads: heads });
  expect(verified).toMatchObject({ entries: 6n, faults: [], heads, anchors: [{ organizationId: "org_0", sequence: 3n, hash: older[0]! }, { organizationId: "org_1", sequence: 3n, hash: older[1]! }] });
  expect((await list(metering)).entries.map(({ sequence }) => sequence)).toEqual([6n, 6n, 5n, 5n, 4n, 4n]);
  // A head that was seen long ago, and the one that is the anchor now.
  const known = [{ organizationId: "org_0", sequence: 2n, hash: "00".repeat(32) }, { organizationId: "org_0", sequence: 3n, hash: older[0]! }];
  expect((await verify(metering, { knownHeads: known })).faults).toEqual([]);
  expect((await verify(metering, { knownHeads: [{ ...known[1]!, hash: "00".repeat(32) }] })).faults).toMatchObject([{ organizationId: "org_0", sequence: 3n }]);

  const { links, anchor } = await metering.implementation.listAuditLinks(create(ListAuditLinksRequestSchema, { organizationId: "org_0" }), testContext);
  let hash = Buffer.from(anchor!.hash, "hex");
  for (const { entry } of links) hash = createHash("sha256").update(hash).update(entry).digest();
  expect(hash.toString("hex")).toBe(heads[0]!.hash);
  await record(metering, { callId: "req_new", organizationId: "org_0" });
  expect(await verify(metering)).toMatchObject({ entries: 7n, faults: [] });
});

test("what was recorded while the database's clock was set back goes no sooner than what stands before it", async () => {
  const metering = await startTestMetering();
  for (let n = 1; n <= 6; n++) await record(metering, { callId: `req_${n}`, organizationId: `org_${n % 2}` });
  await setBack(metering.database, "org_0", [2n], 7_200_000);
  await setBack(metering.database, "org_1", [1n, 3n], 3_600_000);
  const stop = keepAuditEntries(metering.database, () => 1_800_000, createLogger("silent"));
  await expect.poll(async () => (await verify(metering)).anchors).toMatchObject([{ organizationId: "org_1", sequence: 1n }]);
  await stop();
  expect(await verify(metering)).toMatchObject({ entries: 5n, faults: [] });
});

const editsOfAnchors: Readonly<Record<string, string>> = {
  "an anchor changed": "update audit_anchors set hash = set_byte(hash, 0, 255 - get_byte(hash, 0)) where organization_id = 'org_0'",
  "an anchor taken away": "delete from audit_anchors where organization_id = 'org_0'",
  "an anchor put back": "update audit_anchors set sequence = 2 where organization_id = 'org_0'",
  "an anchor put forward": "update audit_anchors set sequence = 4, hash = (select hash from audit_entries where organization_id = 'org_0' and sequence = 4) where organization_id = 'org_0'",
  "the first entry behind it taken away": "delete from audit_entries where organization_id = 'org_0' and sequence = 4",
  "an entry put in before it": "insert into audit_entries select organization_id, 3, record_time, 'req_x', actor, method, outcome, entry, hash from audit_entries where organization_id = 'org_0' and sequence = 4",
  "all but the anchor taken away": "with gone as (delete from audit_entries where organization_id = 'org_0') delete from audit_heads where organization_id = 'org_0'",
};

test("what is done to an anchor, or to the entries next to it, is found", async () => {
  const { metering } = await startWithAnchor();
  for (const [name, edit] of Object.entries(editsOfAnchors)) {
    const faults = await faultsAfter(metering, "org_0", (transaction) => transaction.query(edit));
    expect(faults, name).toMatchObject([{ organizationId: "org_0" }]);
  }
});

test("an entry put in before the first one, which the list would show, is found", async () => {
  const metering = await startTestMetering();
  await record(metering, { callId: "req_1" }, { callId: "req_2" });
  for (const sequence of ["0", "-1", "-9223372036854775808"]) {
    const edit = `insert into audit_entries select organization_id, ${sequence}, record_time, 'req_x', 'key_b', method, outcome, entry, hash from audit_entries where organization_id = 'org_a' and sequence = 1`;
    expect(await faultsAfter(metering, "org_a", (transaction) => transaction.query(edit)), sequence).toMatchObject([{ organizationId: "org_a", sequence: BigInt(sequence) }]);
  }
});

const edits = 1_000;
/** Of each of two logs. */
const length = 8;

test(`${edits} of ${edits} edits are found, by WEIR_SEED=${seed}`, async () => {
  const metering = await startTestMetering();
  const { database } = metering;
  for (let n = 0; n < 2 * length; n++) await record(metering, { callId: `req_${n}`, organizationId: `org_${n % 2}`, requestJson: JSON.stringify({ name: `key ${n}` }) });
  const knownHeads = (await database.query<StoredHead>("select * from audit_heads")).rows;
  const random = seededRandom(seed);
  const undetected: string[] = [];
  for (let n = 0; n < edits; n++) {
    const { kind, organization, sequence, edit } = chooseEdit(random);
    const faults = await faultsAfter(metering, organization, edit, knownHeads);
    if (faults.length === 0) undetected.push(`${n}: ${kind}, ${organization} ${sequence}`);
  }
  expect(undetected).toEqual([]);
  expect((await verify(metering)).faults).toEqual([]);
});

/** What the verification of a log finds after an edit, which is taken back. */
async function faultsAfter({ database }: TestMetering, organization: string, edit: (queryable: Queryable) => Promise<unknown>, knownHeads: readonly StoredHead[] = []): Promise<readonly AuditFault[]> {
  let found: readonly AuditFault[] = [];
  await database.transaction(async (transaction) => {
    await edit(transaction);
    ({ faults: found } = await verifyChains(transaction, organization, knownHeads, testContext.signal));
    throw rolledBack;
  }).catch((error: unknown) => {
    if (error !== rolledBack) throw error;
  });
  return found;
}

const rolledBack = new Error("every edit is taken back");

type Edit = (queryable: Queryable, organization: string, sequence: number, pick: (most: number) => number) => Promise<unknown>;

const setText = (column: string): Edit => (queryable, organization, sequence, pick) =>
  queryable.query(`update audit_entries set ${column} = overlay(${column} placing case substr(${column}, $3, 1) when '0' then '1' else '0' end from $3 for 1) where organization_id = $1 and sequence = $2`, [organization, sequence, 1 + pick(6)]);

/** Each by what somebody with the database in hand could do. */
const kinds: Readonly<Record<string, Edit>> = {
  "a text": (queryable, organization, sequence, pick) =>
    queryable.query("update audit_entries set entry = overlay(entry placing case substr(entry, $3, 1) when '0' then '1' else '0' end from $3 for 1) where organization_id = $1 and sequence = $2", [organization, sequence, 1 + pick(200)]),
  "an actor": setText("actor"),
  "a method": setText("method"),
  "an outcome": (queryable, organization, sequence) => queryable.query("update audit_entries set outcome = 'PERMISSION_DENIED' where organization_id = $1 and sequence = $2", [organization, sequence]),
  "a call": (queryable, organization, sequence, pick) => queryable.query("update audit_entries set call_id = $3 where organization_id = $1 and sequence = $2", [organization, sequence, `req_${pick(1_000_000)}x`]),
  "a time": (queryable, organization, sequence, pick) => queryable.query("update audit_entries set record_time = record_time + $3 * interval '1 millisecond' where organization_id = $1 and sequence = $2", [organization, sequence, 1 + pick(100_000)]),
  "a hash": (queryable, organization, sequence, pick) => queryable.query("update audit_entries set hash = set_byte(hash, $3, 255 - get_byte(hash, $3)) where organization_id = $1 and sequence = $2", [organization, sequence, pick(32)]),
  "a head": (queryable, organization, _, pick) => queryable.query("update audit_heads set hash = set_byte(hash, $2, 255 - get_byte(hash, $2)) where organization_id = $1", [organization, pick(32)]),
  "no head": (queryable, organization) => queryable.query("delete from audit_heads where organization_id = $1", [organization]),
  "an entry taken away": (queryable, organization, sequence) => queryable.query("delete from audit_entries where organization_id = $1 and sequence = $2", [organization, sequence]),
  "an entry taken away and the gap closed": async (queryable, organization, sequence) => {
    await queryable.query("delete from audit_entries where organization_id = $1 and sequence = $2", [organization, sequence]);
    for (let later = sequence + 1; later <= length; later++) await queryable.query("update audit_entries set sequence = sequence - 1 where organization_id = $1 and sequence = $2", [organization, later]);
    await queryable.query("update audit_heads set sequence = sequence - 1 where organization_id = $1", [organization]);
  },
  "an entry put in": async (queryable, organization, sequence, pick) => {
    for (let later = length; later >= sequence; later--) await queryable.query("update audit_entries set sequence = sequence + 1 where organization_id = $1 and sequence = $2", [organization, later]);
    await queryable.query(
      `insert into audit_entries select organization_id, $2::int8, record_time, $3, actor, method, outcome, entry, hash from audit_entries where organization_id = $1 and sequence = $2::int8 + 1`,
      [organization, sequence, `req_${pick(1_000_000)}y`],
    );
    await queryable.query("update audit_heads set sequence = sequence + 1 where organization_id = $1", [organization]);
  },
  "two entries exchanged": async (queryable, organization, sequence, pick) => {
    const other = 1 + ((sequence + pick(length - 1)) % length);
    for (const [from, to] of [[sequence, 0], [other, sequence], [0, other]]) await queryable.query("update audit_entries set sequence = $3 where organization_id = $1 and sequence = $2", [organization, from, to]);
  },
  "an entry of another log": (queryable, organization, sequence) =>
    queryable.query("update audit_entries set entry = (select entry from audit_entries where organization_id <> $1 and sequence = $2), hash = (select hash from audit_entries where organization_id <> $1 and sequence = $2) where organization_id = $1 and sequence = $2", [organization, sequence]),
  "the end taken away": (queryable, organization, sequence) => queryable.query("delete from audit_entries where organization_id = $1 and sequence >= $2", [organization, sequence]),
  "the end and the head taken away": async (queryable, organization, sequence) => {
    await queryable.query("delete from audit_entries where organization_id = $1 and sequence >= $2", [organization, sequence]);
    await queryable.query("update audit_heads set sequence = $2::int8 - 1, hash = coalesce((select hash from audit_entries where organization_id = $1 and sequence = $2::int8 - 1), decode(repeat('00', 32), 'hex')) where organization_id = $1", [organization, sequence]);
  },
  "a log taken away": async (queryable, organization) => {
    await queryable.query("delete from audit_entries where organization_id = $1", [organization]);
    await queryable.query("delete from audit_heads where organization_id = $1", [organization]);
  },
  "all written anew from an entry on": async (queryable, organization, sequence) => {
    const { rows } = await queryable.query<{ sequence: bigint; entry: string; hash: Buffer }>("select sequence, entry, hash from audit_entries where organization_id = $1 order by sequence", [organization]);
    let hash = rows[sequence - 2]?.hash ?? Buffer.alloc(32);
    for (const row of rows.slice(sequence - 1)) {
      const entry = row.sequence === BigInt(sequence) ? row.entry.replace('key ', 'kex ') : row.entry;
      hash = createHash("sha256").update(hash).update(entry).digest();
      await queryable.query("update audit_entries set entry = $3, hash = $4 where organization_id = $1 and sequence = $2", [organization, row.sequence.toString(), entry, hash]);
    }
    await queryable.query("update audit_heads set hash = $2 where organization_id = $1", [organization, hash]);
  },
};

function chooseEdit(random: () => number) {
  const pick = (most: number): number => Math.floor(random() * most);
  const names = Object.keys(kinds);
  const [kind, organization, sequence] = [names[pick(names.length)]!, `org_${pick(2)}`, 1 + pick(length)];
  return { kind, organization, sequence, edit: (queryable: Queryable) => kinds[kind]!(queryable, organization, sequence, pick) };
}
