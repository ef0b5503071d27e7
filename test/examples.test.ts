/** Owns the proof that what a newcomer reads is true: README shows the examples as they are, and each does what it should. */
import { execFile, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask } from "../examples/connect-web.ts";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { ErrorReason } from "#gen/weir/errors/v1/error_reason_pb.ts";
import { Code } from "@connectrpc/connect";
import { GatewayError, type Reason } from "#platform/errors.ts";
import { presets } from "../services/providers/edge/openai/compatible/presets.ts";
import { vendors } from "../services/providers/edge/vendors.ts";
import { agents } from "./agents/agents.ts";
import { documentedAgents, documentedBlock, tabledAgents } from "./agents/documented-agents.ts";
import { freePort } from "./harness/free-port.ts";
import { clientOf, startWeir, type Weir } from "./harness/start-weir.ts";

const root = new URL("../", import.meta.url).pathname;
const run = promisify(execFile);
const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** What a machine with Docker runs; test/deployment tries the services of docker-compose.yml without it. */
const composeBlocks = [
  `cp deploy/.env.example .env && chmod 600 .env
for name in POSTGRES WEIR_POLICY WEIR_METERING WEIR_PROVIDERS WEIR_NATS_PROVIDERS WEIR_NATS_METERING WEIR_NATS_ROUTING; do sed -i "s/^\${name}_PASSWORD=$/&$(openssl rand -hex 32)/" .env; done
docker compose up -d --build
docker compose exec policy weir keys create "first key"`,
  "docker compose up -d --scale providers=3",
];

/** Blocks of README that are no example, because the tests cannot run them in a checkout that is in use. */
const otherBlocks = ["npm ci && npm start", "npm test", "export WEIR_ADDRESS=http://127.0.0.1:8080 WEIR_KEY=$(cat .weir/inference-key)", "npx weir config check", ...composeBlocks];
const demoAnswer = "This is Weir's built-in demo, not a model. You said: Hello";

test("README shows all examples, and nothing but them", () => {
  const shown = [...read("README.md").matchAll(/^```\w+\n([\s\S]*?)^```$/gm)].map(([, code]) => code!.trimEnd());
  const examples = readdirSync(join(root, "examples")).map((file) => read(`examples/${file}`).trimEnd());
  expect(shown.toSorted()).toEqual([...examples, ...otherBlocks].toSorted());
});

describe("against a running Weir", () => {
  let weir: Weir;
  beforeAll(async () => {
    weir = await startWeir();
  });
  afterAll(() => weir?.stop());

  async function output(program: string, words: readonly string[]): Promise<string> {
    const { PATH, HOME } = process.env;
    const env = { PATH, HOME, WEIR_ADDRESS: weir.origin, WEIR_KEY: weir.inferenceKey, WEIR_DATA: weir.dataDirectory };
    return (await run(program, words, { cwd: root, env, timeout: 60_000 })).stdout;
  }

  test.each(["openai-sdk.ts", "anthropic-sdk.ts", "google-genai-sdk.ts", "grpc-stub.ts"])("%s prints the answer", async (file) => {
    expect((await output(process.execPath, [`examples/${file}`])).trim()).toBe(demoAnswer);
  });

  test.skipIf(!isOnPath("curl"))("connect-web.ts shows the answer piece by piece, with the token that browser-token.sh has made", async () => {
    const { token } = JSON.parse(await output("sh", ["-e", "examples/browser-token.sh"])) as { token: string };
    const pieces: string[] = [];
    await ask(weir.origin, token, "Hello", (text) => pieces.push(text));
    expect(pieces.join("")).toBe(demoAnswer);
    expect(pieces.length).toBeGreaterThan(3);
  });

  test.skipIf(!isOnPath("curl"))("curl.sh gets an answer from each of the three APIs", async () => {
    const answers = await output("sh", ["-e", "examples/curl.sh"]);
    expect(answers).toContain("data: [DONE]");
    expect(answers).toContain('"type":"message"');
    expect(answers).toContain('"role":"ROLE_ASSISTANT"');
    expect(answers.split(demoAnswer)).toHaveLength(3);
  });

  test("buf-curl.sh gets the answer", async () => {
    expect(JSON.parse(await output("sh", ["-e", "examples/buf-curl.sh"]))).toMatchObject({ candidates: [{ message: { parts: [{ text: { text: demoAnswer } }] } }] });
  });

  test("policy-cases.yaml comes out as it says, and `weir policy test` shows where one does not", async () => {
    const weirCommand = (...words: string[]): Promise<string> => output(process.execPath, ["services/compose/weir.js", ...words]);
    await weirCommand("keys", "create", "search service", "--allow", "search/*");
    expect(await weirCommand("policy", "test", "examples/policy-cases.yaml")).toMatch(/^2 cases, all as they should be[.]$/m);
    expect(await weirCommand("policy", "explain", "demo/demo-chat", "--key", "search service")).toMatch(/^Denied: MODEL_NOT_ALLOWED[.] .*\n\n +RULE +NAME.*\n[*] +key +scope[.]models$/m);

    const changed = join(weir.dataDirectory, "policy-cases.yaml");
    await writeFile(changed, read("examples/policy-cases.yaml").replace("MODEL_NOT_ALLOWED", "BUDGET_EXCEEDED").replace("by: scope.models", "by: a-budget"));
    const differing = (await weirCommand("policy", "test", changed).catch((error: unknown) => error)) as { code: number; stdout: string };
    expect(differing.code).toBe(1);
    expect(differing.stdout).toContain("DIFF  the search service does not\n        - denied: BUDGET_EXCEEDED\n        + denied: MODEL_NOT_ALLOWED\n        - by a-budget\n        + by scope.models\n");
    expect(differing.stdout).toContain("ok    the first key reaches the demo\n");
  });

  test("administration.sh makes a key, lists it and reports usage", async () => {
    const [attempt] = await weir.attempts(1);
    const report = await output("sh", ["-e", "examples/administration.sh"]);
    expect(report).toMatch(/^weir_\w+$/m);
    expect(report).toMatch(/^key_\w+ +checkout service .* demo\/\* .* valid$/m);
    expect(report).toMatch(new RegExp(`^${attempt!.event!.intent!.attribution!.keyId} +first inference key +demo/demo-chat `, "m"));
  });
});

test("weir.yaml is valid", async () => {
  const env = { PATH: process.env["PATH"], OPENAI_API_KEY: "sk-1", ANTHROPIC_API_KEY: "sk-2" };
  const { stdout } = await run(process.execPath, ["services/compose/weir.js", "config", "check", "--config", "examples/weir.yaml"], { cwd: root, env });
  expect(stdout).toContain("is valid: 3 providers, 2 routes.");
});

test.skipIf(!isOnPath("openssl"))("apart.sh starts three processes that answer together", { timeout: 60_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), "weir-apart-example-"));
  // The same files on ports that are free here.
  const ports = new Map(await Promise.all(["8080", "8081", "8082", "8083", "8090", "8091"].map(async (port) => [port, String(await freePort())] as const)));
  const onFreePorts = (text: string): string => text.replaceAll(/\b80[89]\d\b/g, (port) => ports.get(port)!);
  await writeFile(join(directory, "apart.yaml"), onFreePorts(read("examples/apart.yaml")));
  const script = onFreePorts(read("examples/apart.sh")).replaceAll("examples/apart.yaml", join(directory, "apart.yaml"));
  const shell = spawn("sh", ["-e", "-c", script], { cwd: root, detached: true, stdio: "ignore", env: { PATH: process.env["PATH"], HOME: process.env["HOME"], WEIR_DATA: directory } });
  try {
    for (const admin of ["8081", "8082", "8083"]) {
      const isReady = (): Promise<boolean> => fetch(`http://127.0.0.1:${ports.get(admin)}/readyz`).then(({ ok }) => ok, () => false);
      await expect.poll(isReady, { timeout: 40_000, interval: 100 }).toBe(true);
    }
    const { origin, inferenceKey } = await clientOf(directory);
    const reply = await fetch(`${origin}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${inferenceKey}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "demo/demo-chat", messages: [{ role: "user", content: "Hello" }] }),
    });
    expect(await reply.text()).toContain(demoAnswer);
  } finally {
    // As Ctrl-C does: to the whole group.
    process.kill(-shell.pid!, "SIGINT");
    await new Promise((resolve) => shell.once("exit", resolve));
    await expect.poll(() => isRunning(-shell.pid!), { timeout: 20_000 }).toBe(false);
    await rm(directory, { recursive: true, force: true });
  }
});

test("docs/configuration.md has each field with the default that its contract states", () => {
  const documented = tableRows("docs/configuration.md").filter(([name]) => /^`([a-z_]+(\.[a-z0-9_*]+)+|peers)`$/.test(name!));
  const defaults = new Map(documented.map(([name, value]) => [name!.replaceAll("`", ""), value!.replaceAll("`", "")]));
  expect([...defaults.keys()]).toEqual(fieldsOf(ConfigSchema, ""));
  const folder = "proto/weir/config/v1";
  const proto = readdirSync(join(root, folder)).map((file) => read(join(folder, file))).join("\n");
  const statedDefaults = [...proto.matchAll(/\/\/ .*default `?([0-9]+(?:\.[0-9]+)*s?|info)`?(?!\w).*\n(?: {2}\/\/.*\n)* {2}(?:optional )?[\w.]+ (\w+) =/g)];
  expect(statedDefaults.length).toBeGreaterThan(15);
  for (const [, value, field] of statedDefaults) {
    const documentedValues = [...defaults].filter(([name]) => name.endsWith(`.${field}`)).map(([, documented]) => documented);
    expect(documentedValues, field!).toContain(value);
  }
});

test("docs/configuration.md has each vendor with its address and the variable of its key", () => {
  const rows = tableRows("docs/configuration.md").filter((cells) => cells.length === 4 && /^`(?!vendor`)[a-z0-9_]+`$/.test(cells[0]!));
  const documented = new Map(rows.map(([vendor, key, address]) => [vendor!.replaceAll("`", ""), [key!.replaceAll("`", ""), address!.replaceAll("`", "")]]));
  const actual = Object.entries(vendors).map(([vendor, { adapter, environment }]) => {
    const key = adapter.needsCredential ? (environment?.apiKey ?? "–") : "none needed";
    if (vendor === "demo") return [vendor, [key, ""]] as const;
    return [vendor, [key, adapter.defaultBaseUrl === "" ? (expect.stringContaining("required") as string) : adapter.defaultBaseUrl]] as const;
  });
  expect(documented).toEqual(new Map(actual));
});

test.each(presets.map(({ adapter }) => [adapter.vendor, adapter] as const))("docs/configuration.md says what %s has beside Chat Completions", (vendor, { operations, speech }) => {
  const words = { embed: "embeddings", rerank: "reranking", generateImages: "images", transcribe: "transcription", synthesizeSpeech: "speech" };
  const its = new Set([...Object.keys(operations), ...(speech === undefined ? [] : ["synthesizeSpeech"])]);
  const notes = tableRows("docs/configuration.md").find(([name]) => name === `\`${vendor}\``)!.at(-1)!;
  for (const [operation, word] of Object.entries(words)) expect([word, notes.includes(word)]).toEqual([word, its.has(operation)]);
});

test("docs/agents.md has each agent that `npm run agents` tries, in its version, with one block that sets it up, and no others", () => {
  expect(tabledAgents).toEqual(agents.map(({ name, package: packageName, version }) => ({ name, package: packageName, version })));
  expect(documentedAgents.map(({ name, blocks }) => [name, blocks.length])).toEqual(agents.map(({ name }) => [name, 1]));
  for (const { name, blocks } of documentedAgents) expect(blocks[0]).toContain(`application=${agents.find((agent) => agent.name === name)!.application}`);
});

test("the weir.yaml of docs/agents.md is valid", async () => {
  const directory = await mkdtemp(join(tmpdir(), "weir-agents-page-"));
  try {
    const file = join(directory, "weir.yaml");
    await writeFile(file, documentedBlock("A route", "yaml"));
    const env = { PATH: process.env["PATH"], OPENAI_API_KEY: "sk-1", ANTHROPIC_API_KEY: "sk-2" };
    const { stdout } = await run(process.execPath, ["services/compose/weir.js", "config", "check", "--config", file], { cwd: root, env });
    expect(stdout).toContain("is valid: 2 providers, 2 routes.");
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test("docs/http-api.md has each reason with its statuses", () => {
  const documented = tableRows("docs/http-api.md").filter(([reason]) => /^`[A-Z_]+`$/.test(reason!)).map(([reason, status, code]) => [reason!.replaceAll("`", ""), [status, code]] as const);
  const reasons = Object.keys(ErrorReason).filter((name): name is Reason => /^[A-Z_]+$/.test(name) && name !== "UNSPECIFIED");
  const actual = reasons.map((reason) => {
    const error = new GatewayError(reason, "");
    return [reason, [String(error.httpStatus), Code[error.code]!.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase()]] as const;
  });
  expect(new Map(documented)).toEqual(new Map(actual));
});

test.each(["README.md", "CONTRIBUTING.md", "SECURITY.md", ...markdownOf("docs"), ...markdownOf("docs/decisions"), ...markdownOf("test"), ...["console", "metering", "platform", "platform/journal", "policy", "providers", "routing"].map((room) => `services/${room}/README.md`)])("links of %s lead somewhere", (file) => {
  const links = [...read(file).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target]) => target!);
  expect(links.filter((target) => !existsSync(join(root, dirname(file), target)))).toEqual([]);
});

/** The cells of all tables of a page, row by row. */
function tableRows(file: string): string[][] {
  return read(file).split("\n").filter((line) => line.startsWith("|")).map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

/** Every field that holds a value, as a path; `*` stands for a name of the operator's choice, or for each of a list. */
function fieldsOf(message: DescMessage, prefix: string): string[] {
  return message.fields.flatMap((field) => {
    const path = `${prefix}${field.name}`;
    const nested = nestedOf(field);
    return nested === undefined ? [path] : fieldsOf(nested, field.fieldKind === "message" ? `${path}.` : `${path}.*.`);
  });
}

function nestedOf(field: DescField): DescMessage | undefined {
  const isNested = field.fieldKind === "message" || (field.fieldKind === "map" && field.mapKind === "message") || (field.fieldKind === "list" && field.listKind === "message");
  const nested = isNested ? field.message : undefined;
  return nested?.typeName === "google.protobuf.Duration" ? undefined : nested;
}

function markdownOf(folder: string): string[] {
  return readdirSync(join(root, folder)).filter((name) => name.endsWith(".md")).map((name) => `${folder}/${name}`);
}

function isOnPath(program: string): boolean {
  return (process.env["PATH"] ?? "").split(":").some((directory) => existsSync(join(directory, program)));
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
