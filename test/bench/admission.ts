/** Owns the measurement of admission: what the check of a key takes, and what budgets and rate limits that are held in leases add to a call. */
import { createSecretKey, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { WatchGrantsResponseSchema } from "#gen/weir/policy/v1/grant_watch_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { digestOfKeySecret, formatKeySecret } from "#platform/secrets/key-secret.ts";
import { createLogger } from "#platform/logger.ts";
import { authenticate } from "../../services/routing/domain/admission/admit.ts";
import { GrantView } from "../../services/routing/store/grant-view.ts";
import { requestBody, wholeReply } from "./exchange.ts";
import { LoadConnection } from "./load-connection.ts";
import { Helper, otherCpus, pin } from "./pinned-process.ts";
import { quantilesOf } from "./statistics.ts";
import { startWeirTogether } from "./weir-process.ts";

const knownKeys = 10_000;
const checks = 200_000;
const rounds = 40;
const callsPerRound = 150;
const limitNanos = 1_000_000_000_000_000n;

console.log(`${(await microsPerKeyCheck()).toFixed(1)} µs for the check of one of ${knownKeys} keys, each over a connection of its own`);

pin(otherCpus, process.pid);
const upstream = await Helper.start(otherCpus, "upstream.ts");
const weir = await startWeirTogether(upstream.port);
const { plain, governed } = await makeKeys();
const connection = await LoadConnection.open(weir.port);
const latenciesMs: Readonly<Record<"plain" | "governed", number[]>> = { plain: [], governed: [] };
for (let round = 0; round < rounds; round++) {
  for (const [name, key] of [["plain", plain], ["governed", governed]] as const) {
    for (let call = 0; call < callsPerRound; call++) {
      const { fault, latencyMs } = await connection.ask(requestWith(key), (body) => body.equals(wholeReply));
      if (fault !== undefined) throw new Error(`A call with the ${name} key failed: ${fault}.`);
      // Before that, V8 is still compiling.
      if (round >= rounds / 4) latenciesMs[name].push(latencyMs);
    }
  }
}
const [without, withPolicy] = [quantilesOf(latenciesMs.plain), quantilesOf(latenciesMs.governed)];
console.log(`three budgets and three rate limits add ${(withPolicy.p50 - without.p50).toFixed(3)} ms p50, ${(withPolicy.p99 - without.p99).toFixed(3)} ms p99, to calls of ${without.p50.toFixed(2)} and ${without.p99.toFixed(2)} ms, one after the other`);
connection.close();
await weir.stop();
upstream.stop();
process.exit();

async function microsPerKeyCheck(): Promise<number> {
  const pepper = createSecretKey(randomBytes(32));
  const secrets = Array.from({ length: knownKeys }, () => formatKeySecret(randomBytes(32)).reveal());
  const grants = secrets.map((secret, place) => create(GrantSchema, { keyId: `key_${place}`, teamId: "team_1", organizationId: "org_1", secretDigest: digestOfKeySecret(secret, pepper), scopes: [{ models: ["bench"] }] }));
  const stopping = new AbortController();
  const view = await GrantView.follow({
    policy: {
      async *watchGrants(_request, { signal }) {
        yield create(WatchGrantsResponseSchema, { snapshot: true, pepper: pepper.export(), grants });
        await once(signal, "abort");
      },
      resolveGrant: () => Promise.reject(new Error("Nobody asks.")),
    },
    clock: systemClock,
    logger: createLogger("error"),
    signal: stopping.signal,
  });
  const check = async (count: number): Promise<void> => {
    for (let place = 0; place < count; place++) await authenticate({ credential: secrets[place % knownKeys]!, connection: {}, address: "127.0.0.1", origin: undefined }, view, Date.now());
  };
  await check(checks / 4);
  const { user, system } = process.cpuUsage();
  await check(checks);
  const used = process.cpuUsage({ user, system });
  stopping.abort();
  return (used.user + used.system) / checks;
}

/** The installation's own key, to which nothing applies, and one of another organization with a budget and a limit at each level. */
async function makeKeys(): Promise<{ readonly plain: string; readonly governed: string }> {
  const adminKey = (await readFile(join(weir.dataDirectory, "admin-key"), "utf8")).trim();
  const policy = createClient(PolicyService, createConnectTransport({ baseUrl: `http://127.0.0.1:${weir.port}`, httpVersion: "1.1", interceptors: [(next) => (request) => {
    request.header.set("authorization", `Bearer ${adminKey}`);
    return next(request);
  }] }));
  const { organization } = await policy.createOrganization({ name: "governed" });
  const organizationId = organization!.id;
  const { team } = await policy.createTeam({ organizationId, name: "team" });
  const teamId = team!.id;
  const { key, secret } = await policy.createKey({ teamId, name: "key" });
  const keyId = key!.id;
  for (const [name, subject] of [["organization", {}], ["team", { teamId }], ["key", { keyId }]] as const) {
    await policy.createBudget({ organizationId, name, subject, limitNanos, period: BudgetPeriod.MONTH });
  }
  for (const [name, count, scope] of [["organization", "requests", {}], ["team", "tokens", { teamId }], ["key", "output_tokens", { teamId, keyId }]] as const) {
    await policy.createRateLimit({ rule: { name, organizationId, ...scope, count, amount: 1_000_000_000n, window: "minute" } });
  }
  return { plain: weir.key, governed: secret };
}

function requestWith(key: string): Buffer {
  const body = requestBody(0);
  return Buffer.concat([Buffer.from(`POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`), body]);
}
