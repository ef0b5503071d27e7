import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFile, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { postmasterOf } from "./harness/postmaster.ts";
import { runWeir } from "./harness/run-weir.ts";
import { startWeir } from "./harness/start-weir.ts";
import { startWeirProcess } from "./harness/weir-process.ts";

const root = new URL("../", import.meta.url).pathname;
const directories: string[] = [];

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "weir-start-"));
  directories.push(directory);
  return directory;
}

afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
});

describe("weir serve", () => {
  test("prints a call that works as it stands, stops cleanly, and goes on where it was", async () => {
    const dataDirectory = await temporaryDirectory();
    const first = await startWeir({ dataDirectory });
    const command = /curl[\s\S]*$/.exec(first.processes[0]!.page)![0];
    const answer = await call(command);
    expect(JSON.parse(answer)).toMatchObject({ object: "chat.completion", choices: [{ message: { role: "assistant" } }] });
    expect(answer).toMatch(/demo/i);
    await first.attempts(1);
    const port = Number(new URL(first.origin).port);

    const stoppingMs = performance.now();
    expect(await first.stop("SIGINT")).toBe(0);
    expect(performance.now() - stoppingMs).toBeLessThan(5_000);
    expect(await postgresProcesses(dataDirectory)).toEqual([]);

    const second = await startWeir({ dataDirectory });
    const again = command.replaceAll(String(port), new URL(second.origin).port);
    expect(JSON.parse(await call(again))).toMatchObject({ object: "chat.completion" });
    expect(await second.attempts(2)).toHaveLength(2);
    const usage = await runWeir(["usage", "--data", dataDirectory, "--by", "key,model"]);
    expect(usage.stdout).toMatch(/^KEY +NAME +MODEL .*\nkey_\w+ +first inference key +demo\/demo-chat +2 /);
    await second.stop();
  });

  test("keeps its secrets for its owner alone", async () => {
    const weir = await startWeir({ dataDirectory: await temporaryDirectory() });
    for (const name of ["admin-key", "inference-key", "pepper"]) expect((await stat(join(weir.dataDirectory, name))).mode & 0o777).toBe(0o600);
    await weir.stop();
  });

  test("after SIGKILL the next start is as if nothing had been", async () => {
    const dataDirectory = await temporaryDirectory();
    const first = await startWeir({ dataDirectory });
    await first.stop("SIGKILL");
    const second = await startWeir({ dataDirectory });
    expect(second.inferenceKey).toBe(first.inferenceKey);
    expect(await second.stop()).toBe(0);
    expect(await postgresProcesses(dataDirectory)).toEqual([]);
  });

  test("ends when it is asked to, though a part of it cannot be stopped: its journal's folder is gone", async () => {
    const dataDirectory = await temporaryDirectory();
    const weir = await startWeirProcess({ words: ["--data", dataDirectory, "--port", "0"], environment: {} });
    await rm(join(dataDirectory, "instances"), { recursive: true });
    expect(await weir.stop("SIGTERM")).toBe(1);
    expect(await postgresProcesses(dataDirectory)).toEqual([]);
  });

  test.each(["1", "2"])("asked to stop while it starts, it leaves no PostgreSQL behind (%s processes)", async (processes) => {
    const dataDirectory = await temporaryDirectory();
    const child = spawn(process.execPath, ["services/compose/weir.js", "serve", "--data", dataDirectory, "--port", "0", "--admin-port", "0", "--processes", processes], { cwd: root, env: { PATH: process.env["PATH"] }, stdio: "ignore" });
    const ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve(signal ?? code)));
    await expect.poll(() => postmasterOf(join(dataDirectory, "postgres", "cluster")).catch(() => 0), { interval: 5 }).toBeGreaterThan(0);
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect(await postgresProcesses(dataDirectory)).toEqual([]);
  });

  test("a data directory in use names the process that has it", async () => {
    const dataDirectory = await temporaryDirectory();
    const weir = await startWeir({ dataDirectory });
    const { code, stderr } = await runWeir(["serve", "--data", dataDirectory, "--port", "0", "--admin-port", "0"]);
    expect(code).toBe(1);
    expect(stderr).toContain(String(weir.processes[0]!.pid));
    await weir.stop();
  });

  test("a port that is taken is named, with the way to change it", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    const { code, stderr } = await runWeir(["serve", "--data", await temporaryDirectory(), "--port", String(port), "--admin-port", "0"]);
    taken.close();
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`Port ${port} .* taken.*--port`));
    expect(stderr).not.toContain("    at ");
  });

  test("finds the vendors whose key is in the environment, and prints no key", async () => {
    const weir = await startWeir({ environment: { OPENAI_API_KEY: "sk-canary", ANTHROPIC_API_KEY: "sk-canary" } });
    expect(weir.processes[0]!.page).toMatch(/Providers .*openai.*OPENAI_API_KEY.*anthropic.*ANTHROPIC_API_KEY/);
    expect(weir.processes[0]!.page + JSON.stringify(weir.log())).not.toContain("sk-canary");
    await weir.stop();
  });
});

describe("weir config check", () => {
  test("names file, line and field of each fault", async () => {
    const file = join(await temporaryDirectory(), "weir.yaml");
    await writeFile(file, "listen:\n  prot: 8080\nroutes:\n  fast:\n    targets: []\n");
    const { code, stderr } = await runWeir(["config", "check", "--config", file]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/weir\.yaml:2: listen\.prot/);
    expect(stderr).toMatch(/weir\.yaml:\d+: routes\.fast\.targets/);
  });

  test("refuses a route to a provider that does not exist, and says how to write a variable in a map", async () => {
    const file = join(await temporaryDirectory(), "weir.yaml");
    await writeFile(file, "providers: { local: { vendor: demo } }\nroutes: { chat: { targets: [loca/m] } }\n");
    expect((await runWeir(["config", "check", "--config", file])).stderr).toMatch(/weir\.yaml:2: routes\.chat\.targets: "loca\/m" names no provider; there are local/);
    await writeFile(file, "providers: { local: { vendor: demo } }\nroutes:\n  gpt-4.1:\n    targets: [local/m]\n    cases:\n      - { where: stream, targets: [local/m] }\n      - { where: streams, targets: [local/m] }\n");
    expect((await runWeir(["config", "check", "--config", file])).stderr).toMatch(/weir\.yaml:7: routes\["gpt-4\.1"\]\.cases\[1\]\.where: The condition `streams` cannot be used: .*It may ask for organization.*input_tokens/);
    await writeFile(file, "providers: { mine: { vendor: openai, api_key: ${KEY} } }\n");
    expect((await runWeir(["config", "check", "--config", file])).stderr.trim()).toMatch(/^\S*weir\.yaml:1: .*quotes[^\n]*$/);
  });

  test("says what a valid file holds", async () => {
    const file = join(await temporaryDirectory(), "weir.yaml");
    await writeFile(file, "providers: { mine: { vendor: openai, api_key: \"${KEY}\" } }\n");
    expect((await runWeir(["config", "check", "--config", file], { environment: { KEY: "x" } })).stdout).toContain("1 provider");
    expect((await runWeir(["config", "check", "--config", file])).stderr).toContain("KEY");
    // A process without the service reads none of it, and has to know where the others are.
    const asRoutingAndPolicy = ["config", "check", "--config", file, "--services", "routing,policy"];
    expect((await runWeir(asRoutingAndPolicy)).stderr).toContain("set internal.tls");
    await appendFile(file, `internal: { shared_secret: "${randomBytes(32).toString("hex")}" }\npeers: { providers: "127.0.0.1:8091", metering: "127.0.0.1:8092" }\n`);
    expect((await runWeir(asRoutingAndPolicy)).stdout).toContain("valid for routing, policy: 0 routes");
  });
});

test("an older Node gets one sentence, not a syntax error", async () => {
  const directory = await temporaryDirectory();
  // A Node that says it is old: the launcher asks nothing else of it.
  const preload = join(directory, "old.cjs");
  await writeFile(preload, 'Object.defineProperty(process.versions, "node", { value: "18.0.0" }); Object.defineProperty(process, "arch", { value: "none" });');
  const stderr = await new Promise<string>((resolve) => execFile(process.execPath, ["--require", preload, "services/compose/weir.js", "serve"], { cwd: root }, (_, __, text) => resolve(text)));
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(stderr).toContain("needs Node 24");
});

test("weir keys creates, lists and revokes; a revoked key is refused within a second", async () => {
  const weir = await startWeir({});
  const refused = await runWeir(["keys", "revoke", "key_nobody", "--data", weir.dataDirectory]);
  expect(refused.code).toBe(1);
  expect(refused.stderr.trim().split("\n")).toHaveLength(1);
  const created = await runWeir(["keys", "create", "mine", "--allow", "demo/*", "--data", weir.dataDirectory]);
  const secret = /weir_\w+/.exec(created.stdout)![0];
  const id = /key_\w+/.exec(created.stdout)![0];
  const statusOf = (): Promise<number> => fetch(`${weir.origin}/v1/models`, { headers: { authorization: `Bearer ${secret}` } }).then(({ status }) => status);
  expect(await statusOf()).toBe(200);
  expect((await runWeir(["keys", "list", "--data", weir.dataDirectory])).stdout).toContain(id);
  await weir.client(PolicyService).revokeKey({ keyId: id });
  await expect.poll(statusOf, { timeout: 1_000, interval: 20 }).toBe(401);
  await weir.stop();
});

test("weir models lists what can be called, with what is known of it", async () => {
  const weir = await startWeir({
    config: `
providers: { main: { vendor: openai, api_key: k, models: [gpt-5-nano, new] } }
models: { openai/new: { context_window_tokens: 4096, tools: false } }
routes: { fast: { targets: [main/gpt-5-nano, main/new], cases: [{ where: stream, targets: [main/new] }], retries: 2 } }
`,
  });
  const { stdout } = await runWeir(["models", "--data", weir.dataDirectory]);
  const lines = stdout.trim().split("\n").map((line) => line.split(/ {2,}/));
  expect(lines).toEqual([
    ["NAME", "FOR", "CONTEXT", "OUTPUT", "READS", "WRITES", "TOOLS", "REASONING", "SOURCE"],
    ["fast = main/gpt-5-nano, main/new (2 retries)"],
    ["", "where stream = main/new"],
    ["main/gpt-5-nano", "generate", "400000", "128000", "text image", "text", "yes", "yes", expect.stringContaining(" 2026-11")],
    ["main/new", "4096", "no", "weir.yaml"],
  ]);
  expect((await runWeir(["policy", "explain", "fast", "--stream", "--data", weir.dataDirectory])).stdout).toMatch(/^TARGET +OF fast, CASE 1: stream\nmain\/new\s*$/m);
  await weir.stop();
});

test("weir organizations, teams, members and keys do what docs/access.md says", { timeout: 120_000 }, async () => {
  const weir = await startWeir({});
  const run = async (...words: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runWeir([...words, "--data", weir.dataDirectory]);
    expect(code, stderr).toBe(0);
    return stdout;
  };
  const idIn = (text: string): string => /(?:org|team|mem|key)_\w+/.exec(text)![0];
  await run("teams", "create", "of the only organization");
  const organization = idIn(await run("organizations", "create", "acme"));
  expect((await runWeir(["teams", "create", "of which", "--data", weir.dataDirectory])).stderr).toContain("There are 2 organizations; name one");
  const team = idIn(await run("teams", "create", "research", "--organization", organization));
  const member = idIn(await run("members", "add", "ada@example.com", "--role", "developer", "--organization", organization));
  const key = idIn(await run("keys", "create", "laptop", "--team", team, "--member", member, "--allow", "demo/*", "--from", "192.0.2.0/24", "--expires", "90d"));
  expect(await run("keys", "update", key, "--name", "new laptop", "--allow", "chat", "--expires", "never")).toContain("new laptop");
  expect(await run("keys", "list")).not.toContain("valid until");
  await run("keys", "update", key, "--expires", "30d");
  expect(await run("keys", "rotate", key, "--overlap", "1h")).toMatch(/^weir_\w+$/m);
  expect(await run("members", "update", member, "--role", "auditor")).toContain("ada@example.com is auditor now");
  await run("organizations", "rename", organization, "acme & sons");
  await run("teams", "suspend", team);
  expect(await run("keys", "list")).toMatch(new RegExp(`^${key} +new laptop +weir_\\S+ +auditor +chat +none .* never +valid until `, "m"));
  expect(await run("organizations", "list")).toMatch(/acme & sons .* active$/m);
  expect(await run("teams", "list", "--organization", organization)).toMatch(/research .* suspended$/m);
  await run("teams", "resume", team);
  expect(await run("members", "list")).toMatch(/ada@example.com +auditor/);
  await run("members", "remove", member);
  expect(await run("keys", "list")).toMatch(new RegExp(`^${key} .* revoked$`, "m"));
  await weir.stop();
});

/** Does what the printed curl command says; a fresh machine may have no curl. */
async function call(command: string): Promise<string> {
  const url = /curl (\S+)/.exec(command)![1]!;
  const headers = [...command.matchAll(/-H "([^:]+): ([^"]+)"/g)].map(([, name, value]) => [name!, value!] as [string, string]);
  const body = /-d '([^']+)'/.exec(command)![1]!;
  const response = await fetch(url, { method: "POST", headers, body });
  return response.text();
}

/** The processes whose command line names the directory. */
async function postgresProcesses(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (command.includes(directory) && command.includes("postgres")) found.push(command);
  }
  return found;
}
