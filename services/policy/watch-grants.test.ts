import { connect, createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it, onTestFinished } from "vitest";
import { ResolveGrantRequestSchema, WatchGrantsRequestSchema, WatchGrantsResponseSchema, type WatchGrantsResponse } from "#gen/weir/policy/v1/grant_watch_pb.ts";
import { Consistency, RevokeKeyRequestSchema } from "#gen/weir/policy/v1/key_pb.ts";
import { ListOrganizationsRequestSchema } from "#gen/weir/policy/v1/organization_pb.ts";
import type { DatabaseConnection } from "#platform/database/database-connection.ts";
import { digestOfKeySecret } from "#platform/secrets/key-secret.ts";
import { createEmptyDatabase } from "../../test/harness/database.ts";
import { createSpender, createTestBudget } from "./budgets.fixture.ts";
import { longestGrantQueue } from "./domain/grant-queue.ts";
import { callContext, createTestKey, createTestTeam, startPolicy, type PolicyFixture } from "./policy.fixture.ts";
import { deleteBudgetById } from "./store/budgets.ts";

describe("watching grants", () => {
  it("begins with a snapshot, also of nothing, and goes on with each change", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const watcher = watch(fixture);
    expect(await watcher.next()).toMatchObject({ snapshot: true, grants: [] });

    const { key, secret } = await createTestKey(fixture, (await createTestTeam(fixture)).id);
    const created = await watcher.next();
    expect(created).toMatchObject({ snapshot: false, grants: [{ keyId: key!.id, revoked: false }] });
    expect(Buffer.from(created.grants[0]!.secretDigest).equals(digestOfKeySecret(secret, fixture.dependencies.pepper))).toBe(true);

    await revoke(fixture, key!.id);
    expect(await watcher.next()).toMatchObject({ snapshot: false, grants: [{ keyId: key!.id, revoked: true }] });
    expect(await watch(fixture).next()).toMatchObject({ snapshot: true, grants: [{ keyId: key!.id, revoked: true }] });
  });

  it("says with each heartbeat how long ago the database answered, to who asks for them", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const request = create(WatchGrantsRequestSchema, { heartbeatInterval: durationFromMs(100) });
    const watcher = fixture.policy.watchGrants(request, callContext())[Symbol.asyncIterator]();
    const heartbeats: WatchGrantsResponse[] = [];
    while (heartbeats.length < 3) {
      const { value } = (await watcher.next()) as { value: WatchGrantsResponse };
      if (value.databaseAge !== undefined) heartbeats.push(value);
    }
    expect(heartbeats.map(({ snapshot, grants }) => ({ snapshot, grants }))).toEqual(Array.from({ length: 3 }, () => ({ snapshot: false, grants: [] })));
    for (const heartbeat of heartbeats) expect(() => toBinary(WatchGrantsResponseSchema, heartbeat)).not.toThrow();
    expect(durationMs(heartbeats.at(-1)!.databaseAge!)).toBeLessThan(5_000);
  });

  it("tells of keys to which a budget applies from when it is made until it ends", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const { organizationId, teamId, keyId } = await createSpender(fixture);
    const watcher = watch(fixture);
    expect(await watcher.next()).toMatchObject({ grants: [{ keyId, budgeted: false, consistency: Consistency.STALE_OK }] });
    const budget = await createTestBudget(fixture, organizationId, 0n, { subject: { teamId, keyId: "", memberId: "", labelName: "", labelValue: "" } });
    // A change from just before the snapshot may be told again after it.
    while (!(await watcher.next()).grants[0]!.budgeted);
    await deleteBudgetById(fixture.dependencies.database, budget);
    expect(await watcher.next()).toMatchObject({ grants: [{ keyId, budgeted: false }] });
  });

  it("shows within a second what another policy process changed", async () => {
    const connection = await createEmptyDatabase();
    const here = await startPolicy(connection);
    const there = await startPolicy(connection);
    const { key } = await createTestKey(here, (await createTestTeam(here)).id);
    const watchers = [watch(there), watch(there), watch(here)];
    for (const watcher of watchers) expect(await watcher.next()).toMatchObject({ snapshot: true, grants: [{ keyId: key!.id, revoked: false }] });

    await revoke(here, key!.id);
    const committed = performance.now();
    for (const watcher of watchers) {
      let seen = await watcher.next();
      // A change from just before the snapshot may be told again after it.
      while (!seen.grants[0]!.revoked) seen = await watcher.next();
      expect(seen).toMatchObject({ snapshot: false, grants: [{ keyId: key!.id, revoked: true }] });
    }
    expect(performance.now() - committed).toBeLessThan(1_000);
  });

  it("says nothing of a change that was rolled back", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const team = await createTestTeam(fixture);
    const watcher = watch(fixture);
    await watcher.next();
    const undone = fixture.dependencies.database.transaction(async (transaction) => {
      await transaction.query(`INSERT INTO keys (id, organization_id, team_id, name, secret_prefix, secret_digest, role, labels, create_time)
         SELECT 'key_undone', organization_id, id, '', '', sha256('x'), 1, '{}', now() FROM teams`);
      throw new Error("undo");
    });
    await expect(undone).rejects.toThrow("undo");
    const { key } = await createTestKey(fixture, team.id);
    expect((await watcher.next()).grants.map(({ keyId }) => keyId)).toEqual([key!.id]);
  });

  it("sends a large view in several pages", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    await createTestTeam(fixture);
    await insertManyKeys(fixture, "before", 1_201);
    const watcher = watch(fixture);
    const first = await watcher.next();
    expect(first.snapshot).toBe(true);
    const keyIds = new Set(first.grants.map(({ keyId }) => keyId));
    while (keyIds.size < 1_201) {
      const { snapshot, grants } = await watcher.next();
      expect(snapshot).toBe(false);
      for (const { keyId } of grants) keyIds.add(keyId);
    }
    expect(keyIds).toContain("key_before_1201");
  });

  it("begins the snapshots of all watchers before it ends that of any, and tells who waits for one of no contact with the database", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    await createTestTeam(fixture);
    await insertManyKeys(fixture, "many", 5_001);
    const request = create(WatchGrantsRequestSchema, { heartbeatInterval: durationFromMs(100) });
    const order: string[] = [];
    const follow = async (): Promise<string[]> => {
      const own: string[] = [];
      for await (const { snapshot, snapshotComplete, databaseAge } of fixture.policy.watchGrants(request, callContext())) {
        if (snapshot) own.push("begins");
        if (snapshotComplete === true) own.push("ends");
        if (snapshot || snapshotComplete === true) order.push(own.at(-1)!);
        if (databaseAge !== undefined) return own;
      }
      return own;
    };
    const watchers = 6;
    for (const own of await Promise.all(Array.from({ length: watchers }, follow))) expect(own).toEqual(["begins", "ends"]);
    expect(order.indexOf("ends")).toBe(watchers);
  });

  it("gives a new snapshot to a watcher that was too slow", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const team = await createTestTeam(fixture);
    const slow = watch(fixture);
    const quick = watch(fixture);
    await Promise.all([slow.next(), quick.next()]);

    await insertManyKeys(fixture, "many", longestGrantQueue + 1);
    // The quick one has seen the last change, so the slow one had them all before it.
    for (let seen = 0; seen <= longestGrantQueue; ) seen += (await quick.next()).grants.length;
    await createTestKey(fixture, team.id);
    await quick.next();

    expect(await slow.next()).toMatchObject({ snapshot: true });
  });

  it("ends when the caller goes away", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const caller = new AbortController();
    const watcher = watch(fixture, caller.signal);
    await watcher.next();
    const end = watcher.nextResult();
    caller.abort();
    expect(await end).toMatchObject({ done: true });
    expect(await watch(fixture, caller.signal).nextResult()).toMatchObject({ done: true });
  });

  it("ends with SHUTTING_DOWN when policy stops, and leaves nothing running", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const watcher = watch(fixture);
    await watcher.next();
    const end = watcher.nextResult();
    const [refusal] = await Promise.allSettled([end, fixture.stop()]);
    expect(refusal).toMatchObject({ status: "rejected", reason: { reason: "SHUTTING_DOWN" } });
    expect(fixture.dependencies.database.pool.totalCount).toBe(0);
  });
});

describe("while the database is down", () => {
  it("calls fail with DEPENDENCY_UNAVAILABLE, watchers wait, and then begin again with a snapshot", async () => {
    const connection = await createEmptyDatabase();
    const reliable = await startPolicy(connection);
    const { key, secret } = await createTestKey(reliable, (await createTestTeam(reliable)).id);
    const line = await interruptibleConnection(connection);
    const fixture = await startPolicy(line.connection);
    const watcher = watch(fixture);
    expect(await watcher.next()).toMatchObject({ snapshot: true, grants: [{ keyId: key!.id, revoked: false }] });
    const afterwards = watcher.next();

    await line.cut();
    const request = create(ResolveGrantRequestSchema, { secretDigest: digestOfKeySecret(secret, fixture.dependencies.pepper) });
    await expect(fixture.policy.resolveGrant(request, callContext())).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
    await expect(fixture.policy.listOrganizations(create(ListOrganizationsRequestSchema), callContext())).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
    await expect(revoke(fixture, key!.id)).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
    const newcomer = watch(fixture).next();
    await revoke(reliable, key!.id);

    await line.mend();
    expect(await afterwards).toMatchObject({ snapshot: true, grants: [{ keyId: key!.id, revoked: true }] });
    expect(await newcomer).toMatchObject({ snapshot: true, grants: [{ keyId: key!.id, revoked: true }] });
  });

  it("policy stops all the same", async () => {
    const line = await interruptibleConnection(await createEmptyDatabase());
    const fixture = await startPolicy(line.connection);
    await watch(fixture).next();
    await line.cut();
    await fixture.stop();
  });
});

interface Watch {
  next(): Promise<WatchGrantsResponse>;
  nextResult(): Promise<IteratorResult<WatchGrantsResponse>>;
}

function watch({ policy }: PolicyFixture, signal?: AbortSignal): Watch {
  const messages = policy.watchGrants(create(WatchGrantsRequestSchema), callContext(signal))[Symbol.asyncIterator]();
  return { next: async () => ((await messages.next()) as IteratorYieldResult<WatchGrantsResponse>).value, nextResult: () => messages.next() };
}

async function revoke({ policy }: PolicyFixture, keyId: string): Promise<void> {
  await policy.revokeKey(create(RevokeKeyRequestSchema, { keyId }), callContext());
}

async function insertManyKeys({ dependencies }: PolicyFixture, name: string, count: number): Promise<void> {
  await dependencies.database.query(
    `INSERT INTO keys (id, organization_id, team_id, name, secret_prefix, secret_digest, role, labels, create_time)
     SELECT 'key_' || $1::text || '_' || number, organization_id, id, 'many', 'weir_', sha256(($1::text || number)::bytea), 1, '{}', now()
     FROM teams, generate_series(1, $2::int) AS number`,
    [name, count],
  );
}

/** A way to the same database that can be cut, with all that goes over it, and mended. */
async function interruptibleConnection({ host = "localhost", port = 5432, ...login }: DatabaseConnection): Promise<{ connection: DatabaseConnection; cut(): Promise<void>; mend(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = host.startsWith("/") ? connect(join(host, `.s.PGSQL.${port}`)) : connect(port, host);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => sockets.delete(socket));
    }
    near.pipe(far);
    far.pipe(near);
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port: nearPort } = server.address() as { port: number };
  const cut = async (): Promise<void> => {
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const mend = async (): Promise<void> => {
    server.listen(nearPort, "127.0.0.1");
    await once(server, "listening");
  };
  onTestFinished(async () => {
    if (server.listening) await cut();
  });
  return { connection: { ...login, host: "127.0.0.1", port: nearPort }, cut, mend };
}
