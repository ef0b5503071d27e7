/** Owns the proof that agents which exist come to their end with every vendor, and that the vendor would take each of their rounds. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aiSdkProviders } from "../callers/ai-sdk.ts";
import { withCallsByPlace } from "../calls-by-place.ts";
import type { Answer, Asked, Part, Player, Turn } from "../exchange.ts";
import { stages, startStages, type StartedStages } from "../stages.ts";
import { instructions, rounds, task, tools, useTool, type Agent } from "./agent.ts";
import { aiSdkAgent } from "./ai-sdk-agent.ts";
import { geminiAgent } from "./gemini-agent.ts";
import { langchainAgent } from "./langchain-agent.ts";
import { messagesAgent } from "./messages-agent.ts";
import { responsesAgent } from "./responses-agent.ts";

const agents: readonly Agent[] = [...aiSdkProviders.map(aiSdkAgent), langchainAgent, responsesAgent, messagesAgent, geminiAgent];

/** Vendors that sign the thoughts of their models, and want them back. */
const signers: readonly string[] = ["anthropic", "bedrock", "gemini", "azure"];

let started: StartedStages;
beforeAll(async () => {
  started = await startStages();
});
afterAll(() => started?.stop());

/** Lets the vendor say the rounds; resolves with what it was asked in each. Throws what the vendor would refuse. */
async function play(player: Player, stream: boolean, run: () => Promise<string>): Promise<{ readonly said: string; readonly asked: readonly Asked[]; readonly bodies: readonly string[] }> {
  const asked: Asked[] = [];
  const bodies: string[] = [];
  const refusals: string[] = [];
  started.upstreamOf(player).answerWith((request, response) => {
    try {
      asked.push(player.read(request, stream));
      bodies.push(request.body.toString());
    } catch (error) {
      refusals.push(`${player.vendor} would refuse round ${asked.length + 1}: ${(error as Error).message}`);
    }
    const { contentType, pieces } = player.write(sayable(player, rounds[asked.length - 1] ?? rounds.at(-1)!), stream, request.path);
    response.writeHead(200, { "content-type": contentType });
    for (const piece of pieces) response.write(piece);
    response.end();
  });
  const said = await run();
  expect(refusals).toEqual([]);
  return { said, asked, bodies };
}

function sayable(player: Player, answer: Answer): Answer {
  return player.sayable?.(answer) ?? answer;
}

/** The conversation as it stands at this round. */
function conversation(round: number, withThoughts: boolean): Turn[] {
  return [
    { role: "user", parts: [{ text: task }] },
    ...rounds.slice(0, round).flatMap(({ reasoning, text, calls = [] }): Turn[] => [
      {
        role: "assistant",
        parts: [
          ...(reasoning === undefined || !withThoughts ? [] : [{ reasoning: reasoning.text, signature: reasoning.signature }]),
          ...(text === undefined ? [] : [{ text }]),
          ...calls.map((call) => ({ call })),
        ],
      },
      { role: "user", parts: calls.map(({ id, name, input }) => ({ result: { id, text: useTool(name, input) } })) },
    ]),
  ];
}

/** What is the same to a model: text in pieces, marks for the cache, ids in a vendor's own form; and thoughts where nobody wants them back. */
function essence(turns: readonly Turn[], withThoughts: boolean): readonly Turn[] {
  const merged = turns.map(({ role, parts }) => ({ role, parts: parts.filter((part) => withThoughts || !("reasoning" in part)).reduce<Part[]>(append, []) }));
  return withCallsByPlace({ turns: merged }).turns;
}

function append(parts: readonly Part[], part: Part): Part[] {
  const last = parts.at(-1);
  if (!("text" in part)) return [...parts, part];
  return last !== undefined && "text" in last ? [...parts.slice(0, -1), { text: last.text + part.text }] : [...parts, { text: part.text }];
}

describe.each(agents)("$name", (agent) => {
  describe.each(stages)("with $player.vendor", ({ player, model }) => {
    test.each([false, true])("comes to its end; as a stream: %s", async (stream) => {
      const { said, asked } = await play(player, stream, () => agent.run(started.weir, `${player.vendor}/${model}`, stream));
      expect(said).toBe(rounds.at(-1)!.text);
      expect(asked).toHaveLength(rounds.length);
      const withThoughts = agent.remembersThoughts && signers.includes(player.vendor);
      asked.forEach((one, round) => {
        expect(one.system).toBe(instructions);
        expect(one.tools).toEqual(tools);
        expect(essence(one.turns, withThoughts), `round ${round + 1}`).toEqual(essence(conversation(round, withThoughts), withThoughts));
      });
    });
  });
});

test.each([["anthropic", "cache_control"], ["bedrock", "cachePoint"]])("marks for the cache stand behind tools, system prompt and newest turn at %s", async (vendor, mark) => {
  const { player, model } = stages.find((stage) => stage.player.vendor === vendor)!;
  const { bodies } = await play(player, true, () => messagesAgent.run(started.weir, `${vendor}/${model}`, true));
  for (const body of bodies) {
    const { tools: sent, toolConfig, system, messages } = JSON.parse(body) as Readonly<Record<string, unknown>> & { readonly messages: readonly object[] };
    for (const place of [sent ?? toolConfig, system, messages.at(-1)]) expect(JSON.stringify(place).split(`"${mark}"`)).toHaveLength(2);
    expect(body.split(`"${mark}"`)).toHaveLength(4);
  }
});
