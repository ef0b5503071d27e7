/** Owns the proof that stored credentials move from the installation's key to one that a Vault keeps, and what becomes of them while that is away. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, it } from "vitest";
import { VaultSchema, type VaultTransitSchema } from "#gen/weir/config/v1/vault_pb.ts";
import { systemClock } from "#platform/clock.ts";
import type { DatabaseConnection } from "#platform/database/database-connection.ts";
import { openDatabase } from "#platform/database/database.ts";
import { createLogger } from "#platform/logger.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { createEmptyDatabase } from "../../test/harness/database.ts";
import { migrationsDirectory, openKeyWrappings } from "./service.ts";
import { insertCredential } from "./store/credentials.ts";
import { StoredCredentials } from "./store/stored-credentials.ts";
import { newTransitKey, startVaultServer, type VaultServer } from "./testing/vault-server.ts";

const installationKey = new Secret("k".repeat(43));
const logger = createLogger("silent");

let vault: VaultServer;
let connection: DatabaseConnection;
let processes: StoredCredentials[];
/** By which the processes are known at Vault. */
let tokens: string[];

beforeEach(async () => {
  vault = await startVaultServer();
  vault.state.transitKeys.set("weir", newTransitKey());
  connection = await createEmptyDatabase();
  processes = [];
  tokens = [];
});
afterEach(async () => {
  await Promise.all(processes.map((each) => each.stop()));
  await vault.stop();
});

interface Keys {
  readonly transit?: MessageInitShape<typeof VaultTransitSchema>;
  readonly installation?: Secret;
}

const byInstallation: Keys = { installation: installationKey };
const moving: Keys = { installation: installationKey, transit: { key: "weir" } };
const byVault: Keys = { transit: { key: "weir" } };
const movingBack: Keys = { installation: installationKey, transit: { key: "weir", retired: true } };

/** The stored credentials as one process sees them, under these keys. */
function start({ transit, installation }: Keys): StoredCredentials {
  const token = vault.createToken();
  tokens.push(token);
  const settings = create(VaultSchema, { address: vault.address, signIn: { case: "token", value: token }, ...(transit && { transit }) });
  const stored = new StoredCredentials({
    store: {
      openDatabase: () => openDatabase({ connection, schema: "providers", migrationsDirectory, logger }),
      openKeys: () => openKeyWrappings(settings, { find: () => Promise.resolve(installation), make: () => Promise.resolve(installation!) }, systemClock),
    },
    clock: systemClock,
    logger,
  });
  processes.push(stored);
  return stored;
}

async function follow(keys: Keys): Promise<StoredCredentials> {
  const stored = start(keys);
  await stored.follow();
  return stored;
}

async function store(stored: StoredCredentials, credentialId: string, text: string, organizationId = ""): Promise<void> {
  const database = await stored.database();
  await database.transaction(async (transaction) => {
    const sealed = await stored.seal(transaction, new Secret(text), { credentialId, organizationId });
    await insertCredential(transaction, { id: credentialId, organizationId, provider: "main", name: "n", weight: 1, ...sealed, createTime: new Date(), requestId: "" });
  });
}

function secretsOf(stored: StoredCredentials, organizationId = ""): string[] {
  return (stored.of("main", organizationId) ?? []).map(({ secret }) => secret.reveal());
}

async function wrappedKeys(stored: StoredCredentials): Promise<string[]> {
  const { rows } = await (await stored.database()).query<{ wrapped: Buffer }>("SELECT wrapped FROM data_keys ORDER BY organization_id");
  return rows.map(({ wrapped }) => `${wrapped[0]} ${wrapped.subarray(1).toString("latin1")}`);
}

it("they move under Vault's key with the first process that has both, and back, and serve all the while", async () => {
  const former = await follow(byInstallation);
  await store(former, "cred_1", "sk-1");
  await store(former, "cred_2", "sk-2", "org_1");
  await expect.poll(() => secretsOf(former, "org_1")).toEqual(["sk-2"]);
  const both = await follow(moving);
  expect(await wrappedKeys(both)).toEqual([expect.stringMatching(/^2 vault:v1:/), expect.stringMatching(/^2 vault:v1:/)]);
  expect([secretsOf(both), secretsOf(both, "org_1")]).toEqual([["sk-1"], ["sk-2"]]);
  await store(both, "cred_3", "sk-3");
  await expect.poll(() => secretsOf(both)).toEqual(["sk-1", "sk-3"]);
  // It runs on under the installation's key alone.
  expect([secretsOf(former), secretsOf(former, "org_1")]).toEqual([["sk-1"], ["sk-2"]]);
  const present = await follow(byVault);
  expect([secretsOf(present), secretsOf(present, "org_1")]).toEqual([["sk-1", "sk-3"], ["sk-2"]]);
  expect(secretsOf(await follow(byInstallation))).toEqual([]);
  await follow(movingBack);
  const again = await follow(byInstallation);
  expect([secretsOf(again), secretsOf(again, "org_1")]).toEqual([["sk-1", "sk-3"], ["sk-2"]]);
});

it("they move under the newest version of Vault's key with the next start, after which Vault may give up the former", async () => {
  const key = vault.state.transitKeys.get("weir")!;
  await store(await follow(byVault), "cred_1", "sk-1");
  key.versions.push(...newTransitKey().versions);
  const restarted = await follow(byVault);
  expect(await wrappedKeys(restarted)).toEqual([expect.stringMatching(/^2 vault:v2:/)]);
  key.oldestForDecryption = 2;
  expect(secretsOf(await follow(byVault))).toEqual(["sk-1"]);
});

it("a data key is good for its organization alone, and one that Vault does not decrypt leaves out its own credentials alone", async () => {
  const stored = await follow(byVault);
  await store(stored, "cred_1", "sk-1", "org_1");
  await store(stored, "cred_2", "sk-2", "org_2");
  await (await stored.database()).query("UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE organization_id = 'org_1') WHERE organization_id = 'org_2'");
  const another = await follow(byVault);
  expect([secretsOf(another, "org_1"), secretsOf(another, "org_2")]).toEqual([["sk-1"], []]);
});

it("while Vault is sealed those that are known serve, none can be stored under a new key, and a process that starts waits", async () => {
  const running = await follow(byVault);
  await store(running, "cred_1", "sk-1");
  await store(running, "cred_2", "sk-2");
  await expect.poll(() => secretsOf(running)).toEqual(["sk-1", "sk-2"]);
  const another = start(byVault);
  await store(another, "cred_3", "sk-3", "org_1");
  await expect.poll(() => secretsOf(running, "org_1")).toEqual(["sk-3"]);
  vault.state.isSealed = true;
  await expect(store(running, "cred_4", "sk-4", "org_2")).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE", message: expect.stringContaining("Vault is sealed") });
  // What is taken away is gone all the same.
  await (await running.database()).query("DELETE FROM credentials WHERE id = 'cred_2'");
  await expect.poll(() => secretsOf(running)).toEqual(["sk-1"]);
  const late = start(byVault);
  await expect(late.follow()).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  vault.state.isSealed = false;
  await late.follow();
  expect([secretsOf(late), secretsOf(late, "org_1")]).toEqual([["sk-1"], ["sk-3"]]);
});

it("what cannot be opened before Vault answers is opened then, and all other changes are in force meanwhile", async () => {
  const running = await follow(byVault);
  await store(running, "cred_1", "sk-1");
  await expect.poll(() => secretsOf(running)).toEqual(["sk-1"]);
  vault.state.suspended.add(tokens[0]!);
  const another = start(byVault);
  await store(another, "cred_2", "sk-2", "org_1");
  await (await another.database()).query("UPDATE credentials SET weight = 2 WHERE id = 'cred_1'");
  await expect.poll(() => running.of("main", "")![0]?.weight).toBe(2);
  expect(secretsOf(running, "org_1")).toEqual([]);
  vault.state.suspended.clear();
  await expect.poll(() => secretsOf(running, "org_1")).toEqual(["sk-2"]);
});
