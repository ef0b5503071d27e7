import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { chmod, chown, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { createLogger } from "../logger.ts";
import type { DatabaseConnection } from "./database-connection.ts";
import { startPostgresServer, type PostgresServer } from "./postgres-server.ts";

const logger = createLogger("silent");
const timeoutMs = 30_000;
const isRoot = process.getuid!() === 0;
const ordinaryUser = 1; // "daemon": PostgreSQL makes its files only for a user with a name.

// To make a cluster takes a second: it is made once, and copied.
let template: string;
beforeAll(async () => {
  template = join(mkdtempSync(join(tmpdir(), "weir-server-")), "data");
  const server = await startPostgresServer({ dataDirectory: template, logger });
  await server.stop();
}, timeoutMs);
afterAll(() => rmSync(join(template, ".."), { recursive: true }));

function newDataDirectory(): string {
  const parent = mkdtempSync(join(tmpdir(), "weir-server-"));
  onTestFinished(() => rmSync(parent, { recursive: true }));
  return join(parent, "data");
}

function copyDataDirectory(): string {
  const dataDirectory = newDataDirectory();
  execFileSync("cp", ["-a", template, dataDirectory]);
  return dataDirectory;
}

async function start(dataDirectory: string): Promise<PostgresServer> {
  const server = await startPostgresServer({ dataDirectory, logger });
  onTestFinished(() => server.stop());
  return server;
}

async function ask(connection: DatabaseConnection, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ ...connection });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

function pidIn(dataDirectory: string): number {
  return Number(readFileSync(join(dataDirectory, "cluster", "postmaster.pid"), "utf8").split("\n")[0]);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A process that nobody has waited for still has its pid.
    return process.platform !== "linux" || readFileSync(`/proc/${pid}/cmdline`).length > 0;
  } catch {
    return false;
  }
}

/** A server in a process of its own, which prints its connection and stops on SIGTERM. */
async function startInAnotherProcess(dataDirectory: string, userId?: number): Promise<{ child: ChildProcess; administration: DatabaseConnection }> {
  const script = `
    import { startPostgresServer } from ${JSON.stringify(import.meta.resolve("./postgres-server.ts"))};
    import { createLogger } from ${JSON.stringify(import.meta.resolve("../logger.ts"))};
    const server = await startPostgresServer({ dataDirectory: ${JSON.stringify(dataDirectory)}, logger: createLogger("warn") });
    process.once("SIGTERM", () => server.stop());
    console.log(JSON.stringify(server.administration));`;
  const identity = userId === undefined ? {} : { uid: userId, gid: userId };
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], { stdio: ["ignore", "pipe", "inherit"], ...identity });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = (await Promise.race([once(child.stdout!, "data"), once(child, "exit")])) as [unknown];
  return { child, administration: JSON.parse(String(line)) as DatabaseConnection };
}

test("data outlives a restart; durability is on; nothing is left running", { timeout: timeoutMs }, async () => {
  const dataDirectory = copyDataDirectory();
  const first = await start(dataDirectory);
  const pid = pidIn(dataDirectory);
  const connection = await first.connectionOf("policy");
  await ask(connection, "CREATE TABLE policy.kept AS SELECT 1 AS value");
  const durability = "SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit, current_setting('full_page_writes') AS pages";
  expect(await ask(connection, durability)).toEqual([{ fsync: "on", commit: "on", pages: "on" }]);
  await first.stop();
  expect(isRunning(pid)).toBe(false);

  const second = await start(dataDirectory);
  expect(await ask(await second.connectionOf("policy"), "SELECT value FROM policy.kept")).toEqual([{ value: 1 }]);
});

test("a service logs in with its own password only, and cannot use another's schema", { timeout: timeoutMs }, async () => {
  const server = await start(copyDataDirectory());
  const policy = await server.connectionOf("policy");
  const metering = await server.connectionOf("metering");
  await ask(policy, "CREATE TABLE policy.secret ()");
  await expect(ask(metering, "SELECT FROM policy.secret")).rejects.toMatchObject({ code: "42501" });
  await expect(ask(metering, "CREATE SCHEMA more")).rejects.toMatchObject({ code: "42501" });
  await expect(ask({ ...policy, password: metering.password! }, "SELECT")).rejects.toMatchObject({ code: "28P01" });
});

test("PostgreSQL does not see Weir's environment", { timeout: timeoutMs }, async () => {
  process.env["WEIR_TEST_CREDENTIAL"] = "sk-secret";
  onTestFinished(() => void delete process.env["WEIR_TEST_CREDENTIAL"]);
  const { administration } = await start(copyDataDirectory());
  await ask(administration, "CREATE TABLE output (line text); COPY output FROM PROGRAM 'env'");
  const lines = (await ask(administration, "SELECT line FROM output")).map(({ line }) => String(line));
  expect(lines.filter((line) => line.startsWith("PATH="))).toHaveLength(1);
  expect(lines.join("\n")).not.toContain("sk-secret");
});

test("a second server in the same folder is refused, and the first goes on", { timeout: timeoutMs }, async () => {
  const dataDirectory = copyDataDirectory();
  const server = await start(dataDirectory);
  await expect(startPostgresServer({ dataDirectory, logger })).rejects.toMatchObject({ reason: "ALREADY_EXISTS", metadata: { pid: String(process.pid) } });
  expect(await ask(server.administration, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
});

test("what a killed Weir left running is stopped, and what it had committed is there", { timeout: timeoutMs }, async () => {
  const dataDirectory = copyDataDirectory();
  const { child, administration } = await startInAnotherProcess(dataDirectory);
  await ask(administration, "CREATE TABLE kept AS SELECT 1 AS value");
  child.kill("SIGKILL");
  await once(child, "exit");
  const leftover = pidIn(dataDirectory);
  expect(isRunning(leftover)).toBe(true);

  const server = await start(dataDirectory);
  expect(isRunning(leftover)).toBe(false);
  expect(await ask(server.administration, "SELECT value FROM kept")).toEqual([{ value: 1 }]);
});

test("a pid file that names a stranger, or nobody, or nothing, neither hurts the stranger nor blocks the start", { timeout: timeoutMs }, async () => {
  const dataDirectory = copyDataDirectory();
  const cluster = join(dataDirectory, "cluster");
  const { uid, gid } = statSync(cluster);
  // Both run as the user that PostgreSQL checks for, and one of them even is a PostgreSQL.
  const stranger = spawn("sleep", ["60"], { stdio: "ignore", ...(isRoot ? { uid, gid } : {}) });
  onTestFinished(() => void stranger.kill("SIGKILL"));
  const otherDirectory = copyDataDirectory();
  await start(otherDirectory);
  const otherPid = pidIn(otherDirectory);
  const nobody = 4_194_303;

  const rest = `${cluster}\n1700000000\n5432\n${cluster}\n\n  5432 1\nready   \n`;
  for (const content of [`${stranger.pid}\n${rest}`, `${otherPid}\n${rest}`, `${nobody}\n${rest}`, ""]) {
    writeFileSync(join(cluster, "postmaster.pid"), content, { mode: 0o600 });
    if (isRoot) await chown(join(cluster, "postmaster.pid"), uid, gid);
    await (await start(dataDirectory)).stop();
  }
  expect([isRunning(stranger.pid!), isRunning(otherPid)]).toEqual([true, true]);
});

test("a PostgreSQL that dies is started again", { timeout: timeoutMs }, async () => {
  const dataDirectory = copyDataDirectory();
  const server = await start(dataDirectory);
  await ask(server.administration, "CREATE TABLE kept AS SELECT 1 AS value");
  const pid = pidIn(dataDirectory);
  process.kill(pid, "SIGKILL");
  await expect.poll(() => ask(server.administration, "SELECT value FROM kept").catch(() => []), { timeout: 10_000 }).toEqual([{ value: 1 }]);
  expect(pidIn(dataDirectory)).not.toBe(pid);
});

test("a PostgreSQL that dies is started again when what it was computing has ended", { timeout: timeoutMs }, async () => {
  const dataDirectory = copyDataDirectory();
  const server = await start(dataDirectory);
  // Its process outlives the server's until it has the answer, and no other server starts beside it.
  const busy = ask(server.administration, "DO $$ DECLARE until timestamptz := clock_timestamp() + interval '4 s'; BEGIN WHILE clock_timestamp() < until LOOP END LOOP; END $$").catch(() => undefined);
  await expect.poll(() => ask(server.administration, "SELECT count(*)::int4 AS busy FROM pg_stat_activity WHERE query LIKE 'DO %' AND state = 'active'")).toEqual([{ busy: 1 }]);
  process.kill(pidIn(dataDirectory), "SIGKILL");
  await busy;
  await expect.poll(() => ask(server.administration, "SELECT 1 AS value").catch(() => []), { timeout: 10_000 }).toEqual([{ value: 1 }]);
});

test("a path that is too long for a socket works", { timeout: timeoutMs }, async () => {
  const parent = join(newDataDirectory(), "long name ".repeat(10), "long name ".repeat(10));
  await mkdir(parent, { recursive: true });
  const dataDirectory = join(parent, "data");
  execFileSync("cp", ["-a", template, dataDirectory]);
  const server = await start(dataDirectory);
  expect(Buffer.byteLength(dataDirectory)).toBeGreaterThan(200);
  expect(await ask(await server.connectionOf("policy"), "SELECT current_user AS me")).toEqual([{ me: "policy" }]);
  rmSync(server.administration.host!, { recursive: true, force: true });
});

test.runIf(isRoot && othersReach(process.execPath))("an ordinary user starts and stops it, and root may go on with that user's folder", { timeout: timeoutMs }, async () => {
  const dataDirectory = newDataDirectory();
  await mkdir(dataDirectory, { recursive: true });
  await chown(dataDirectory, ordinaryUser, ordinaryUser);
  await chmod(join(dataDirectory, ".."), 0o755);
  const { child, administration } = await startInAnotherProcess(dataDirectory, ordinaryUser);
  await ask(administration, "CREATE TABLE kept AS SELECT 1 AS value");
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);

  const server = await start(dataDirectory);
  expect(await ask(server.administration, "SELECT value FROM kept")).toEqual([{ value: 1 }]);
  await server.stop();
  expect(statSync(join(dataDirectory, "cluster")).uid).toBe(ordinaryUser);
});

/** Whether others may pass through all folders above the file: a checkout in root's own home is out of an ordinary user's reach. */
function othersReach(path: string): boolean {
  const parent = join(path, "..");
  return parent === path || ((statSync(parent).mode & 0o001) !== 0 && othersReach(parent));
}
