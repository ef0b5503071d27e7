/** Owns the proof that every valid configuration is read as it is meant, and that every fault is told with its place and without its value. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type DescMessage, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { type Config, ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { RouteSchema } from "#gen/weir/config/v1/route_pb.ts";
import { Meter, UsageSchema, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { ConfigFileError } from "./config-file-error.ts";
import { loadConfigFile } from "./load-config-file.ts";
import type { Environment } from "./substitute.ts";
import { anyConfig } from "./testing/any-config.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-config-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe("a sound file", () => {
  test("is read with snake_case and camelCase, durations, 64-bit numbers and aliases", async () => {
    const config = await load(`
      listen: { port: 0, adminPort: 9090 }
      limits:
        max_body_bytes: 33554432
        max_journal_bytes: "1099511627776"
        request_timeout: 0.5s
      routes:
        fast: &fast { targets: [openai/small, anthropic/small] }
        gpt-4.1: *fast
      providers:
    `);
    expect(config.listen).toMatchObject({ port: 0, adminPort: 9090 });
    expect(config.limits).toMatchObject({ maxBodyBytes: 33554432n, maxJournalBytes: 1099511627776n, requestTimeout: { seconds: 0n, nanos: 500_000_000 } });
    expect(config.routes["gpt-4.1"]?.targets).toEqual(["openai/small", "anthropic/small"]);
    expect(config.providers).toEqual({});
  });

  test.each([[""], ["# nothing yet\n"], ["---\n"], ["{}"]])("may be empty: %j", async (text) => {
    expect(toJson(ConfigSchema, await load(text))).toEqual({});
  });

  test("takes values from the environment, as text that never becomes YAML", async () => {
    const config = await load(
      `
      listen: { port: "\${PORT}" }
      providers:
        openai:
          vendor: openai
          api_key: "\${KEY}"
          base_url: https://\${HOST}/v1
          only_listed_models: \${ONLY}
          models: ["$\${KEY}", "$KEY", "100$"]
      `,
      { PORT: "8088", KEY: "a: [b]\nc: ${PORT} # d", HOST: "vendor.example", ONLY: "true" },
    );
    expect(config.listen?.port).toBe(8088);
    expect(config.providers["openai"]).toMatchObject({
      apiKey: "a: [b]\nc: ${PORT} # d",
      baseUrl: "https://vendor.example/v1",
      onlyListedModels: true,
      models: ["${KEY}", "$KEY", "100$"],
    });
  });

  test("gives back every valid message", async () => {
    const validator = createValidator();
    await fc.assert(
      fc.asyncProperty(anyConfig, fc.boolean(), async (config, useProtoFieldName) => {
        fc.pre(validator.validate(ConfigSchema, config).kind === "valid");
        expect(await load(stringify(escapeReferences(toJson(ConfigSchema, config, { useProtoFieldName }))))).toEqual(config);
      }),
      { numRuns: 100 },
    );
  });
});

describe("a faulty file", () => {
  test("is told all its faults at once, each with its line and field", async () => {
    const problems = await faults(
      [
        "listen:",
        "  port: eighty",
        "  adress: 127.0.0.1",
        "  admin_port: 70000",
        "providers:",
        "  openai:",
        "    vendor: openai",
        "    base_url: https://vendor.example/v1",
        "    baseUrl: https://vendor.example/v2",
        "    api_key: ${UNSET}",
        "    connect_timeout: 10",
        "    idle_timeout: 5000s",
        '    models: [a, 3, ""]',
        "  nothing:",
        "  nameless: {}",
        "  Bad Name: { vendor: demo }",
        "routes:",
        "  gpt-4.1: { targets: openai/x }",
        '  fast: { targets: ["openai/x", "nope", "${b a d"] }',
        "prices: { openai/x: { input: 2.50 } }",
        "limits: [1]",
        "loging: { level: info }",
        "logging: { level: loud }",
      ].join("\n"),
    );
    expect(problems).toEqual([
      "2: listen.port: must be a whole number, in digits alone",
      "3: listen.adress: is not known; did you mean address?",
      "4: listen.admin_port: must be from 0 to 65535",
      "9: providers.openai.base_url: is given twice, first in line 8",
      "10: providers.openai.api_key: takes its value from the environment variable UNSET, which is not set",
      "11: providers.openai.connect_timeout: must be a duration in seconds, such as 10s or 0.5s",
      "12: providers.openai.idle_timeout: must be greater than 0s and at most 3600s",
      "13: providers.openai.models[1]: must be text; put it in quotes",
      "13: providers.openai.models[2]: must not be empty",
      "14: providers.nothing: has no value",
      "15: providers.nameless.vendor: is missing",
      "16: providers[\"Bad Name\"]: the name must be small letters, digits, - and _, at most 63, the first one a letter or a digit",
      '18: routes["gpt-4.1"].targets: must be a list: each item on a line of its own, after a dash',
      "19: routes.fast.targets[1]: must be two names with a slash between, such as openai/gpt-6-sol",
      "19: routes.fast.targets[2]: has a malformed ${…}; write ${NAME} for an environment variable, or $${ for the two characters ${",
      '20: prices["openai/x"].input: must be text; put it in quotes',
      '21: limits: must hold fields, each on a line of its own as "name: value"',
      "22: loging: is not known; did you mean logging?",
      "23: logging.level: must be one of debug, info, warn, error",
    ]);
  });

  test("names its columns too", async () => {
    const error = await failure("listen: { port: x, address: 1.2.3.4.5 }");
    expect(error.problems.map(({ line, column }) => [line, column])).toEqual([
      [1, 11],
      [1, 20],
    ]);
  });

  test.each([
    ["a:\n\tb: 1", "2: is not valid YAML: tabs are not allowed as indentation"],
    ["listen: [", "1: is not valid YAML: flow sequence in block collection must be sufficiently indented and end with a ]"],
    ["listen: *nowhere", "1: is not valid YAML: an alias needs an anchor of its name before it"],
    ["listen: {}\n---\nlisten: {}", "2: is not valid YAML: the file must hold one document"],
    ["? [a]\n: 1", "1: is not valid YAML: a key must be text"],
    ["- listen", '1: must hold fields, each on a line of its own as "name: value"'],
    ["<<: { port: 1 }", `1: <<: is not known; known here: ${ConfigSchema.fields.map(({ name }) => name).join(", ")}`],
    ["routes: { a: { __proto__: {} } }", `1: routes.a.__proto__: is not known; known here: ${RouteSchema.fields.map(({ name }) => name).join(", ")}`],
  ])("is told about %j", async (text, problem) => {
    expect(await faults(text)).toContain(problem);
  });

  test("never has its values in the message", async () => {
    const secret = "sk-5ecret";
    for (const text of [
      `providers: { openai: { vendor: openai, max_connections: ${secret}, base_url: "${secret}" } }`,
      `providers: { openai: { vendor: openai, max_connections: "\${KEY}", base_url: "\${KEY}", connect_timeout: "\${KEY}", models: "\${KEY}" } }`,
      `providers: { openai: { api_key: !${secret} x } }`,
      `key: |${secret}\n  x`,
      `key: "\\${secret}"`,
      `key: "x" ${secret}`,
      `key: %${secret}`,
      `%${secret}\n---\nkey: 1`,
      `listen: *${secret}`,
    ]) {
      expect((await failure(text, { KEY: secret })).message, text).not.toContain("5ecret");
    }
  });

  test.each([
    ["too large", `# ${"x".repeat(1024 * 1024)}`, "is larger than 1048576 bytes"],
    ["not UTF-8", Buffer.from([0x61, 0xff]), "is not text in UTF-8"],
  ])("may be %s", async (_, content, problem) => {
    const error = await failure(content);
    expect(error.problems).toEqual([{ line: 0, column: 0, field: "", message: problem }]);
  });

  test("may be missing", async () => {
    const path = join(folder, "missing.yaml");
    const error = await loadConfigFile({ path, environment: {}, schema: ConfigSchema }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigFileError);
    expect(error).toMatchObject({ message: `${path}: cannot be read: there is no such file`, cause: { code: "ENOENT" } });
  });

  test("cannot grow beyond its bound through aliases", async () => {
    const lists = `&big [${Array.from({ length: 1000 }, () => "a/b").join(", ")}]`;
    const routes = Array.from({ length: 200 }, (_, index) => `  r${index}: { targets: *big }`).join("\n");
    expect(await faults(`cors: { allowed_origins: ${lists} }\nroutes:\n${routes}`)).toContainEqual(expect.stringContaining("makes the file too large: it may hold 100000 values"));
  });

  test("cannot exhaust the stack", async () => {
    expect(await faults("[".repeat(10_000))).toContain("1: is not valid YAML: it is nested too deeply");
  });
});

describe("any message", () => {
  test("is read, its lists of messages, enums and largest numbers too", async () => {
    const usage = await load("quantities: [{ meter: METER_IMAGES, quantity: 9223372036854775807 }]\nsource: USAGE_SOURCE_PROVIDER", {}, UsageSchema);
    expect(usage).toEqual(
      create(UsageSchema, { quantities: [{ meter: Meter.IMAGES, quantity: 9_223_372_036_854_775_807n }], source: UsageSource.PROVIDER }),
    );
  });

  test("has its faulty items reported by their numbers", async () => {
    expect(await faults("quantities:\n- { meter: METER_NONE }\n- 5\n- { quantity: -1 }\n- { quantity: 9223372036854775808 }", UsageSchema)).toEqual([
      expect.stringMatching(/^2: quantities\[0\]\.meter: must be one of METER_UNSPECIFIED, METER_INPUT_TOKENS, /),
      '3: quantities[1]: must hold fields, each on a line of its own as "name: value"',
      "4: quantities[2].quantity: must be at least 0",
      "5: quantities[3].quantity: must be a whole number, in digits alone",
    ]);
  });
});

/** The same JSON with each `${` in a value, not in a key, written as `$${`. */
function escapeReferences(json: JsonValue): JsonValue {
  if (typeof json === "string") return json.replaceAll("${", () => "$${");
  if (Array.isArray(json)) return json.map(escapeReferences);
  if (typeof json !== "object" || json === null) return json;
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, escapeReferences(value)]));
}

async function load(content: string | Buffer, environment?: Environment): Promise<Config>;
async function load<Schema extends DescMessage>(content: string | Buffer, environment: Environment, schema: Schema): Promise<MessageShape<Schema>>;
async function load(content: string | Buffer, environment: Environment = {}, schema: DescMessage = ConfigSchema): Promise<unknown> {
  const path = join(folder, "weir.yaml");
  await writeFile(path, content);
  return loadConfigFile({ path, environment, schema });
}

async function failure(content: string | Buffer, environment: Environment = {}, schema: DescMessage = ConfigSchema): Promise<ConfigFileError> {
  const outcome = await load(content, environment, schema).catch((error: unknown) => error);
  if (!(outcome instanceof ConfigFileError)) throw new Error("The file was accepted, or failed in another way.", { cause: outcome });
  return outcome;
}

/** The lines of the message without the file's name. */
async function faults(content: string, schema: DescMessage = ConfigSchema): Promise<string[]> {
  const { message } = await failure(content, {}, schema);
  return message.split("\n").map((line) => line.replace(join(folder, "weir.yaml:"), ""));
}
