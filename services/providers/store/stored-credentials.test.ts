/** Owns the proof of under which keys stored secrets lie, and when those keys are made, held and erased. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { CreateCredentialRequestSchema, DeleteCredentialRequestSchema, ListCredentialsRequestSchema, RotateCredentialRequestSchema } from "#gen/weir/providers/v1/credential_pb.ts";
import { systemClock } from "#platform/clock.ts";
import type { Database, Queryable } from "#platform/database/database.ts";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import { createLogger } from "#platform/logger.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { createTestDatabase } from "../../../test/harness/database.ts";
import { createCredential } from "../rpc/create-credential.ts";
import type { CredentialParts } from "../rpc/credential-parts.ts";
import { deleteCredential } from "../rpc/delete-credential.ts";
import { listCredentials } from "../rpc/list-credentials.ts";
import { rotateCredential } from "../rpc/rotate-credential.ts";
import { migrationsDirectory } from "../service.ts";
import { sealFormerly } from "../testing/seal-formerly.ts";
import { configOf } from "../testing/start-providers.ts";
import { replaceSecret } from "./credentials.ts";
import { LocalKey } from "./secret-box.ts";
import { StoredCredentials } from "./stored-credentials.ts";

const key = new LocalKey(new Secret("k".repeat(43)));

let database: Database;
let parts: CredentialParts;

beforeEach(async () => {
  database = await createTestDatabase({ schema: "providers", migrationsDirectory });
  parts = { stored: open(), config: new MutableLiveValue(configOf({ baseUrl: "http://127.0.0.1:1", credential: undefined, hasStoredCredentials: true })), clock: systemClock };
});
afterEach(async () => {
  vi.restoreAllMocks();
  await database.close();
});

/** As in a process of its own. */
function open(): StoredCredentials {
  return new StoredCredentials({ store: { openDatabase: () => Promise.resolve({ ...database, close: () => Promise.resolve() }), openKeys: () => Promise.resolve([key] as const) }, clock: systemClock, logger: createLogger("silent") });
}

async function add(organizationId: string, secret: string, more: MessageInitShape<typeof CreateCredentialRequestSchema> = {}): Promise<string> {
  const { credential } = await createCredential(create(CreateCredentialRequestSchema, { provider: "main", name: "n", organizationId, secret, ...more }), parts);
  return credential!.id;
}

const remove = (credentialId: string, organizationId = "") => deleteCredential(create(DeleteCredentialRequestSchema, { credentialId, organizationId }), parts);
const keysOf = async (): Promise<string[]> => (await database.query<{ organization_id: string }>("SELECT organization_id FROM data_keys ORDER BY organization_id")).rows.map(({ organization_id }) => organization_id);

/** What a process that starts now has of an owner; undefined where nothing is stored. */
async function secretsOf(organizationId: string): Promise<string[] | undefined> {
  const stored = open();
  await stored.follow();
  const found = stored.of("main", organizationId)?.map(({ secret }) => secret.reveal());
  await stored.stop();
  return found;
}

it("lie under one data key for each owner, which is asked for once in a process", async () => {
  for (const owner of ["", "org_1", "org_2"]) for (const place of [1, 2]) await add(owner, `sk-${owner}-${place}`);
  expect(await keysOf()).toEqual(["", "org_1", "org_2"]);
  const unwrap = vi.spyOn(key, "unwrap");
  expect(await secretsOf("org_1")).toEqual(["sk-org_1-1", "sk-org_1-2"]);
  expect(unwrap).toHaveBeenCalledTimes(3);
  expect(await secretsOf("")).toEqual(["sk--1", "sk--2"]);
  expect(await secretsOf("org_3")).toBeUndefined();
});

it("are not read where a row was moved to another owner, nor under another owner's key", async () => {
  const id = await add("org_1", "sk-1");
  await add("org_2", "sk-2");
  await database.query("UPDATE credentials SET organization_id = 'org_2' WHERE id = $1", [id]);
  expect(await secretsOf("org_2")).toEqual(["sk-2"]);
  await database.query("UPDATE credentials SET organization_id = 'org_1' WHERE id = $1", [id]);
  await database.query("UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE organization_id = 'org_1') WHERE organization_id = 'org_2'");
  // It still has one, though none that is read: it uses no others.
  expect([await secretsOf("org_1"), await secretsOf("org_2")]).toEqual([["sk-1"], []]);
});

it("are unreadable once the last of an owner was removed, also from a copy of its row, and the next one has another key", async () => {
  const [first, last] = [await add("org_1", "sk-1"), await add("org_1", "sk-2")];
  await remove(first, "org_1");
  expect(await keysOf()).toEqual(["org_1"]);
  await database.query("CREATE TABLE backup AS SELECT * FROM credentials");
  expect(await remove(last)).toMatchObject({ organizationId: "org_1" });
  expect(await keysOf()).toEqual([]);
  const another = await add("org_1", "sk-3");
  await database.query("INSERT INTO credentials SELECT * FROM backup");
  expect(await secretsOf("org_1")).toEqual(["sk-3"]);
  expect(another).not.toBe(last);
});

it("keep their key while one is stored as another is removed, whichever comes first", async () => {
  for (let turn = 0; turn < 10; turn++) {
    const id = await add("org_1", `sk-old-${turn}`);
    const [added] = await Promise.all([add("org_1", `sk-new-${turn}`), remove(id)]);
    expect(await secretsOf("org_1")).toEqual([`sk-new-${turn}`]);
    await remove(added);
  }
  expect(await keysOf()).toEqual([]);
});

it("are read in the form before, and move under the installation's data key when they are rotated", async () => {
  const sealed = await sealFormerly("sk-former", "cred_1", key);
  await database.query("INSERT INTO credentials (id, provider, name, weight, is_enabled, secret, hint, fingerprint, create_time) VALUES ('cred_1', 'main', 'n', 1, true, $1, '', 'f', now())", [sealed]);
  expect(await secretsOf("")).toEqual(["sk-former"]);
  expect(await keysOf()).toEqual([]);
  await rotateCredential(create(RotateCredentialRequestSchema, { credentialId: "cred_1", secret: "sk-present" }), parts);
  expect(await keysOf()).toEqual([""]);
  expect(await secretsOf("")).toEqual(["sk-present", "sk-former"]);
  const { rows } = await database.query<{ secret: Buffer }>("SELECT secret FROM credentials");
  expect(rows[0]!.secret[0]).toBe(3);
});

it("that are given one secret in the same moment do not share it", async () => {
  const [first, second] = [await add("org_1", "sk-1"), await add("org_1", "sk-2")];
  const rotate = (transaction: Queryable, id: string) => replaceSecret(transaction, id, { sealed: Buffer.of(3), hint: "", fingerprint: "the same", formerExpireTime: new Date(0), requestId: "" });
  const { refused } = await database.transaction(async (transaction) => {
    await rotate(transaction, first);
    const refused = database.transaction((another) => rotate(another, second)).catch((error: unknown) => error);
    await expect.poll(async () => (await database.query("SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).rowCount).toBe(1);
    return { refused };
  });
  expect(await refused).toMatchObject({ reason: "ALREADY_EXISTS" });
});

it("are as if they were not there to another organization: not by id, nor by secret, request id or page", async () => {
  const id = await add("org_1", "sk-the-same", { requestId: "one" });
  const own = await add("org_2", "sk-the-same", { requestId: "one" });
  expect(own).not.toBe(id);
  expect(await add("org_2", "sk-the-same", { requestId: "one" })).toBe(own);
  await expect(add("org_2", "sk-the-same")).rejects.toMatchObject({ reason: "ALREADY_EXISTS", message: expect.stringContaining(own) as string });
  const rotation = { secret: "sk-other", organizationId: "org_2" };
  const refusalOf = (credentialId: string) => rotateCredential(create(RotateCredentialRequestSchema, { ...rotation, credentialId }), parts).then(() => "", ({ message }: Error) => message);
  expect(await refusalOf(id)).toBe(await refusalOf("cred_none"));
  expect(await remove(id, "org_2")).toEqual(await remove("cred_none", "org_2"));
  const { credentials } = await listCredentials(create(ListCredentialsRequestSchema, { organizationId: "org_2" }), parts);
  expect(credentials.map((credential) => [credential.id, credential.organizationId])).toEqual([[own, "org_2"]]);
  expect(await secretsOf("org_1")).toEqual(["sk-the-same"]);
});

it("are at most a hundred of one organization, which takes no room from others", async () => {
  for (let place = 0; place < 100; place++) await add("org_1", `sk-${place}`);
  await expect(add("org_1", "sk-one-more")).rejects.toMatchObject({ reason: "OVERLOADED" });
  await add("org_2", "sk-2");
});
