/** Owns the proof that the linter sees what it must: each boundary is broken once, in a copy, and has to be reported. */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

type Case = readonly [file: string, code: string];

const boundary = "no-restricted-imports";

const broken: readonly (readonly [rule: string, ...Case])[] = [
  // A service imports gen, platform and itself, whatever the form of the import.
  [boundary, "services/routing/peers.ts", `import { service } from "../policy/service.ts";`],
  [boundary, "services/policy/rpc/create-key.ts", `import { route } from "../../routing/domain/plan.ts";`],
  [boundary, "services/metering/rpc/get-usage.ts", `import type { Key } from "../../policy/domain/key.ts";`],
  [boundary, "services/providers/edge/openai/usage.ts", `export { rate } from "../../../metering/domain/rate.ts";`],
  [boundary, "services/policy/store/keys.ts", `export * from "../../metering/store/ledger.ts";`],
  [boundary, "services/providers/service.ts", `import "../metering/service.ts";`],
  [boundary, "services/routing/service.ts", `export const service = await import("../policy/service.ts");`],
  [boundary, "services/routing/config.ts", `import { main } from "../compose/main.ts";`],
  [boundary, "services/policy/peers.ts", `import { service } from "#platform/../routing/service.ts";`],
  [boundary, "services/policy/service.ts", `import { service } from "#gen/../services/routing/service.ts";`],
  [boundary, "services/metering/service.ts", `import { startWeir } from "../../test/harness/start-weir.ts";`],
  [boundary, "services/policy/domain/key.test.ts", `import { plan } from "../../routing/domain/plan.ts";`],
  ["consistent-type-imports", "services/metering/peers.ts", `export type Key = import("../policy/domain/key.ts").Key;`],
  // platform imports no service; gen nothing of ours.
  [boundary, "services/platform/breaker.ts", `import { verdict } from "../routing/domain/verdict.ts";`],
  [boundary, "services/platform/database/pool.ts", `import { tables } from "../../policy/store/tables.ts";`],
  [boundary, "gen/weir/types/v1/extra.ts", `import { newId } from "#platform/ids.ts";`],
  [boundary, "gen/weir/types/v1/other.ts", `import { newId } from "../../../../services/platform/ids.ts";`],
  // Rooms.
  [boundary, "services/metering/store/ledger.ts", `import { consume } from "../edge/consumer.ts";`],
  [boundary, "services/metering/edge/consumer.ts", `import { post } from "../store/ledger.ts";`],
  [boundary, "services/routing/edge/openai/dialect.ts", `import { view } from "../../store/view.ts";`],
  [boundary, "services/routing/domain/plan.ts", `import { view } from "../store/view.ts";`],
  [boundary, "services/routing/domain/admit.ts", `import { dialect } from "../edge/openai/dialect.ts";`],
  [boundary, "services/routing/domain/verdict.ts", `import { generate } from "../rpc/generate.ts";`],
  // domain is pure.
  [boundary, "services/policy/domain/read.ts", `import { readFileSync } from "node:fs";`],
  [boundary, "services/policy/domain/read-later.ts", `import { readFile } from "node:fs/promises";`],
  [boundary, "services/policy/domain/dial.ts", `import { connect } from "node:net";`],
  [boundary, "services/policy/domain/listen.ts", `import { createServer } from "http";`],
  [boundary, "services/policy/domain/random.ts", `import { randomBytes } from "node:crypto";`],
  [boundary, "services/policy/domain/query.ts", `import pg from "pg";`],
  [boundary, "services/policy/domain/database.ts", `import { Database } from "#platform/database/database.ts";`],
  ["no-restricted-properties", "services/policy/domain/now.ts", `export const now = Date.now();`],
  ["no-restricted-properties", "services/policy/domain/dice.ts", `export const dice = Math.random();`],
  ["no-restricted-globals", "services/policy/domain/wait.ts", `setTimeout(() => {}, 1);`],
  // Only compose imports services, through service.ts and config.ts.
  [boundary, "services/compose/compose.ts", `import { plan } from "../routing/domain/plan.ts";`],
  [boundary, "services/compose/catalog.ts", `import { peers } from "../policy/peers.ts";`],
  [boundary, "services/compose/commands/usage.ts", `import { rate } from "../../metering/domain/rate.ts";`],
  // The console imports gen alone.
  [boundary, "services/console/page.ts", `import { newId } from "#platform/ids.ts";`],
  [boundary, "services/console/clock.ts", `import { systemClock } from "../platform/clock.ts";`],
  [boundary, "services/console/keys.ts", `import { key } from "../policy/domain/key.ts";`],
  // The environment is read in compose only.
  ["no-restricted-properties", "services/platform/environment.ts", `export const home = process.env["HOME"];`],
  ["no-restricted-properties", "services/policy/domain/environment.ts", `export const { env } = process;`],
  [boundary, "services/policy/environment.ts", `import { env } from "node:process";`],
  // No fetch, no web streams.
  ["no-restricted-globals", "services/platform/egress/dial.ts", `export const reply = await fetch("https://example.com");`],
  ["no-restricted-properties", "services/platform/egress/dial-again.ts", `export const reply = await globalThis.fetch("https://example.com");`],
  [boundary, "services/platform/egress/client.ts", `import { fetch } from "undici";`],
  ["no-restricted-globals", "services/platform/stream.ts", `export const stream = new ReadableStream();`],
  [boundary, "services/platform/web-stream.ts", `import { ReadableStream } from "node:stream/web";`],
  // The style that a linter can see.
  ["no-default-export", "services/platform/default.ts", `export default 1;`],
  ["no-explicit-any", "services/platform/any.ts", `export const value: any = 1;`],
  ["no-floating-promises", "services/platform/floating.ts", `export function start(): void {\n  Promise.resolve(1);\n}`],
  ["no-misused-promises", "services/platform/misused.ts", `export const test = [1].filter(async () => true);`],
];

const sound: readonly Case[] = [
  ["services/routing/rpc/generate.ts", `import { plan } from "../domain/plan.ts";\nimport { GenerateRequestSchema } from "#gen/weir/policy/v1/policy_service_pb.ts";\nimport { newId } from "#platform/ids.ts";\nexport const all = [plan, GenerateRequestSchema, newId];`],
  ["services/metering/store/rates.ts", `import { rate } from "../domain/rate.ts";\nexport const all = [rate];`],
  ["services/metering/edge/events.ts", `import { rate } from "../domain/rate.ts";\nexport const all = [rate];`],
  ["services/routing/service.test.ts", `import { startWeir } from "../../test/harness/start-weir.ts";\nexport const reply = [startWeir, await fetch("http://127.0.0.1")];`],
  ["services/policy/domain/hash.ts", `import { createHash } from "node:crypto";\nimport type { IncomingHttpHeaders } from "node:http";\nexport const hash = (headers: IncomingHttpHeaders): unknown => [createHash, headers];`],
  ["services/policy/domain/hash.test.ts", `import { readFileSync } from "node:fs";\nexport const all = [readFileSync, Date.now()];`],
  ["services/compose/services.ts", `import { service } from "../routing/service.ts";\nimport { config } from "../policy/config.ts";\nimport { KeySchema } from "#gen/weir/policy/v1/policy_service_pb.ts";\nexport const all = [service, config, KeySchema, process.env["HOME"]];`],
  ["services/compose/commands/serve.ts", `import { service } from "../../metering/service.ts";\nimport { settings } from "../settings.ts";\nexport const all = [service, settings];`],
  ["test/scenarios/failover.ts", `import { compose } from "../../services/compose/compose.ts";\nexport const all = [compose, process.env["HOME"], await fetch("http://127.0.0.1")];`],
];

const root = resolve(import.meta.dirname, "..");
let copy: string;
let reports: ReadonlyMap<string, readonly string[]>;

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), "weir-boundaries-"));
  await Promise.all([".oxlintrc.json", "package.json"].map((file) => cp(join(root, file), join(copy, file))));
  const tsconfig = JSON.parse(await readFile(join(root, "tsconfig.json"), "utf8")) as { compilerOptions: object };
  // The copy has no packages, and so not the types of Node.
  await writeFile(join(copy, "tsconfig.json"), JSON.stringify({ ...tsconfig, compilerOptions: { ...tsconfig.compilerOptions, types: [] } }));
  for (const [file, code] of [...broken.map(([, ...rest]) => rest), ...sound]) {
    await mkdir(dirname(join(copy, file)), { recursive: true });
    await writeFile(join(copy, file), `${code}\n`, { flag: "wx" });
  }
  reports = await lint(copy);
}, 40_000);

afterAll(() => rm(copy, { recursive: true, force: true }));

test.each(broken)("%s is reported in %s", (rule, file) => {
  expect(reports.get(file) ?? []).toContainEqual(expect.stringContaining(`(${rule})`));
});

test.each(sound)("%s may import what it does", (file) => {
  expect(reports.get(file) ?? []).toEqual([]);
});

/** The rules that each file breaks, such as `eslint(no-restricted-imports)`. */
async function lint(folder: string): Promise<Map<string, string[]>> {
  const tools = join(root, "node_modules", ".bin");
  const options = { cwd: folder, env: { ...process.env, OXLINT_TSGOLINT_PATH: join(tools, "tsgolint") }, timeout: 30_000, maxBuffer: 16 * 1024 * 1024 };
  const output = await new Promise<string>((done) => {
    // It ends with 1 because it finds what it should.
    execFile(join(tools, "oxlint"), ["--type-aware", "--format", "json"], options, (_error, stdout) => done(stdout));
  });
  const { diagnostics } = JSON.parse(output) as { diagnostics: { filename: string; code: string }[] };
  const byFile = new Map<string, string[]>();
  for (const { filename, code } of diagnostics) byFile.set(filename, [...(byFile.get(filename) ?? []), code]);
  return byFile;
}
