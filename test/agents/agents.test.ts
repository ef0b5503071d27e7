/** Owns `npm run agents`: the coding agents that people use, set up as docs/agents.md says, carry out a task through Weir with vendors of both forms. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import type { Answer, Asked, Part, Player } from "../capabilities/exchange.ts";
import { anthropicPlayer } from "../capabilities/players/anthropic.ts";
import { openaiPlayer } from "../capabilities/players/openai.ts";
import { runWeir } from "../harness/run-weir.ts";
import { startScriptedProvider, type Answer as HttpAnswer, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { agents, type CodingAgent } from "./agents.ts";
import { documentedAgents, documentedBlock } from "./documented-agents.ts";
import { installAgent, type Installation } from "./install-agent.ts";

const root = new URL("../../", import.meta.url).pathname;
const installWithinMs = 3_600_000;
const answerWithinMs = 180_000;

const vendors: readonly { readonly player: Player; readonly model: string }[] = [
  { player: openaiPlayer, model: "gpt-test" },
  { player: anthropicPlayer, model: "claude-opus-4-6" },
];

/** Only who has read the file can know what it says. */
const gauge = `2.34 m, read ${crypto.randomUUID()}`;
/** The terminal of Qwen Code now and then loses what a program said that ends at once. */
const readGauge = "cat gauge.txt && sleep 1";
const usage = { input: 100, cached: 60, output: 10, reasoning: 4 };
const metered = [
  [Meter.INPUT_TOKENS, 40n],
  [Meter.CACHED_INPUT_TOKENS, 60n],
  [Meter.OUTPUT_TOKENS, 6n],
  [Meter.REASONING_OUTPUT_TOKENS, 4n],
];

const installations = new Map<CodingAgent, Installation>();
let repository: string;
beforeAll(async () => {
  for (const agent of agents) installations.set(agent, await installAgent(agent));
  repository = await mkdtemp(join(tmpdir(), "weir-agents-repository-"));
  await run("git", ["init", "--quiet"], { cwd: repository, env: { PATH: process.env["PATH"] } });
  await writeFile(join(repository, "gauge.txt"), `${gauge}\n`);
}, installWithinMs);
afterAll(() => rm(repository, { recursive: true, force: true }));

describe.each(vendors)("a vendor that speaks the API of $player.vendor", ({ player, model }) => {
  let upstream: ScriptedProvider;
  let weir: Weir;
  let key: string;

  beforeAll(async () => {
    upstream = await startScriptedProvider(() => undefined);
    weir = await startWeir({ wiring: "together", config: configFor(player, model, upstream.baseUrl) });
    const { said: administration } = await run("sh", ["-e", "-c", documentedBlock("What it costs", "sh")], { cwd: root, env: { PATH: process.env["PATH"], HOME: process.env["HOME"], WEIR_DATA: weir.dataDirectory } });
    key = /^weir_\w+$/m.exec(administration)![0];
  });
  afterAll(async () => {
    await weir?.stop();
    await upstream?.stop();
  });

  test.for(agents)("$name", { timeout: answerWithinMs + 30_000 }, async (agent, { skip }) => {
    const installation = installations.get(agent)!;
    const binDirectory = "whyNot" in installation ? skip(installation.whyNot) : installation.binDirectory;
    const before = (await weir.attempts(0)).length;
    const play = playFor(player, agent);
    upstream.answerWith(play.answer);

    const { code, said, complained } = await runAgent(agent, binDirectory, { WEIR_ADDRESS: weir.origin, WEIR_KEY: key });

    expect(play.refusals.filter((refusal) => refusal !== agent.saysOtherwise)).toEqual([]);
    expect(code, `${said}\n${complained}`).toBe(0);
    expect(said).toContain(gauge);
    expect(play.asked.length).toBeGreaterThanOrEqual(2);
    expect(play.asked.some((asked) => resultsOf(asked).some((result) => result.includes(gauge)))).toBe(true);
    const sent = play.asked.length + play.refusals.length;
    const attempts = await weir.attempts(before + sent);
    expect(attempts).toHaveLength(before + sent);
    const own = attempts.slice(0, sent);
    for (const { event } of own) expect(event!.intent!.attribution!.labels).toEqual({ application: agent.application, cost_center: "ada" });
    const served = own.flatMap(({ event }) => event!.outcome!.usage ?? []).filter(({ quantities }) => quantities.length > 0);
    expect(served.map(({ source, quantities }) => [source, quantities.map(({ meter, quantity }) => [meter, quantity])])).toEqual(play.asked.map(() => [UsageSource.PROVIDER, metered]));
    const report = await runWeir(["usage", "--by", "key,label:application"], { environment: { WEIR_DATA: weir.dataDirectory } });
    expect(report.stdout).toMatch(new RegExp(`^key_\\w+ +${agent.application} `, "m"));
  });
});

function configFor({ vendor, apiKey, basePath }: Player, model: string, baseUrl: string): string {
  return `
providers:
  ${vendor}: { vendor: ${vendor}, api_key: "${apiKey}", base_url: "${new URL(baseUrl).origin}${basePath}", models: ["${model}"] }
routes:
  coder: { targets: ["${vendor}/${model}"] }
models:
  ${vendor}/${model}: { context_window_tokens: 400000, max_output_tokens: 32000 }
prices:
  ${vendor}/${model}: { input: "1", cached_input: "0.1", output: "4" }
`;
}

interface Play {
  /** What the vendor was asked, in this order. */
  readonly asked: readonly Asked[];
  /** Why it would have refused a request. */
  readonly refusals: readonly string[];
  readonly answer: HttpAnswer;
}

/** A model that wants the gauge read, and then says what it was told. */
function playFor(player: Player, agent: CodingAgent): Play {
  const asked: Asked[] = [];
  const refusals: string[] = [];
  return {
    asked,
    refusals,
    answer(request, response) {
      try {
        const stream = (JSON.parse(request.body.toString()) as { readonly stream?: boolean }).stream === true;
        const question = player.read(request, stream);
        asked.push(question);
        const { contentType, pieces } = player.write(answerTo(question, agent), stream, request.path);
        response.writeHead(200, { "content-type": contentType });
        for (const piece of pieces) response.write(piece);
        response.end();
      } catch (error) {
        const { message } = error as Error;
        refusals.push(message);
        // Both forms have these members.
        response.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify({ type: "error", error: { type: "invalid_request_error", message } }));
      }
    },
  };
}

function answerTo(asked: Asked, { shell }: CodingAgent): Answer {
  const result = resultsOf(asked).at(-1);
  if (result !== undefined) return { text: `The gauge says: ${result}`, finish: "stop", usage };
  // Agents also ask for titles and the like.
  if (asked.tools?.some(({ name }) => name === shell.name) !== true) return { text: "A gauge", finish: "stop", usage };
  return {
    reasoning: { text: "I have to look.", signature: Buffer.from("signed by the vendor").toString("base64") },
    text: "I read the gauge.",
    calls: [{ id: "call_gauge1", name: shell.name, input: shell.input(readGauge) }],
    finish: "calls",
    usage,
  };
}

/** What the tools have told, each to a call that stands before it. */
function resultsOf({ turns }: Asked): string[] {
  const parts = turns.flatMap((turn): readonly Part[] => turn.parts);
  return parts.flatMap((part, index) => ("result" in part && parts.slice(0, index).some((earlier) => "call" in earlier && earlier.call.id === part.result.id) ? [part.result.text] : []));
}

/** In a home of its own: with what docs/agents.md says, and nothing else. */
async function runAgent({ name, command }: CodingAgent, binDirectory: string, weir: Readonly<Record<string, string>>): Promise<Outcome> {
  const home = await mkdtemp(join(tmpdir(), "weir-agents-home-"));
  const [block] = documentedAgents.find((agent) => agent.name === name)!.blocks;
  // Its own Node may be older than what agents want.
  const path = [binDirectory, dirname(process.execPath), process.env["PATH"]].join(delimiter);
  try {
    await mkdir(join(home, "tmp"));
    return await run("sh", ["-e", "-c", `${block}\nexec "$@"`, "sh", ...command], { cwd: repository, env: { PATH: path, HOME: home, TMPDIR: join(home, "tmp"), ...weir } });
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

interface Outcome {
  /** Null where it did not end in time. */
  readonly code: number | null;
  readonly said: string;
  readonly complained: string;
}

async function run(program: string, words: readonly string[], { cwd, env }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv }): Promise<Outcome> {
  const child = spawn(program, words, { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  // What it has started goes with it.
  const timeout = setTimeout(() => process.kill(-child.pid!, "SIGKILL"), answerWithinMs);
  const ended = once(child, "exit") as Promise<[code: number | null]>;
  const [said, complained, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  clearTimeout(timeout);
  return { code, said, complained };
}
