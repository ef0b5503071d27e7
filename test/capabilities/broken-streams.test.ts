/** Owns the proof that a stream which breaks off is an error to its caller, of the class that the caller's own client has for it, and an estimate in the ledger. */
import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import type { Answer, HeardError, Player } from "./exchange.ts";
import { callers, stages, startStages, type StartedStages } from "./stages.ts";

let started: StartedStages;
beforeAll(async () => {
  started = await startStages();
});
afterAll(() => started?.stop());

const question = { turns: [{ role: "user" as const, parts: [{ text: "What is a weir?" }] }], outputMaximum: 4000 };
const says = (text: string): Answer => ({ text, finish: "stop", usage: { input: 21, cached: 0, output: 9, reasoning: 0 } });

/** How a reply goes on from its middle, and what stands in the ledger. */
const breaks: readonly (readonly [name: string, result: AttemptResult, goOn: (response: ServerResponse, player: Player, next: Buffer, path: string) => void])[] = [
  ["is cut in the middle of an event", AttemptResult.INTERRUPTED, (response, _player, next) => response.write(next.subarray(0, next.length / 2), () => response.destroy())],
  ["ends without its terminator", AttemptResult.INTERRUPTED, (response) => response.end()],
  ["says that it cannot go on", AttemptResult.FAILED, (response, player, _next, path) => response.end(player.breakOff(path))],
];

/** Just below the bound of an event, with what stands around the text. */
const longText = "Wasser".repeat((8 * 1024 * 1024 - 2048) / 6);

let attempts = 0;

describe.each(callers)("$dialect", (caller) => {
  describe.each(stages)("from $player.vendor", ({ player, model }) => {
    const ask = async () => await caller.send(started.weir, `${player.vendor}/${model}`, caller.build(question)!, true);

    test.each(breaks)("a stream that %s", async (_name, result, goOn) => {
      started.upstreamOf(player).answerWith(({ path }, response) => {
        const { contentType, pieces } = player.write(says("A weir measures a river. ".repeat(40)), true, path);
        const middle = Math.floor(pieces.length / 2);
        response.writeHead(200, { "content-type": contentType });
        for (const piece of pieces.slice(0, middle)) response.write(piece);
        goOn(response, player, Buffer.from(pieces[middle]!), path);
      });
      const error = (await ask().catch((thrown: unknown) => thrown)) as HeardError;
      expect(error).toMatchObject({ kind: caller.brokenStreamClass, message: expect.stringMatching(/broke off|ended before its end|failed/) as string });
      if (player.apiKey !== undefined) expect(error.message).not.toContain(player.apiKey);
      const [attempt] = await started.weir.attempts(++attempts);
      expect(attempt!.event).toMatchObject({ rank: UsageSource.ESTIMATED, outcome: { result } });
      expect(attempt!.event!.outcome!.usage!.quantities.length).toBeGreaterThan(0);
    });

    // Other clients of the same dialect get the same bytes.
    test.runIf(caller.like === undefined)("a stream with an event of 8 MiB", async () => {
      started.upstreamOf(player).answerWith(({ path }, response) => {
        const { contentType, pieces } = player.write(says(longText), true, path);
        response.writeHead(200, { "content-type": contentType });
        for (const piece of pieces) response.write(piece);
        response.end();
      });
      const { answer } = await ask();
      expect(answer.text === longText, `${answer.text?.length} of ${longText.length} characters came`).toBe(true);
      const [attempt] = await started.weir.attempts(++attempts);
      expect(attempt!.event).toMatchObject({ rank: UsageSource.PROVIDER, outcome: { result: AttemptResult.SUCCEEDED } });
    });
  });
});
