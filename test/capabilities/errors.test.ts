/** Owns the proof that a vendor's refusal reaches the caller as the error that its own client has for it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Weir } from "../harness/start-weir.ts";
import type { HeardError, Refusal } from "./exchange.ts";
import { callers, stages, startStages, type StartedStages } from "./stages.ts";

let started: StartedStages;
let weir: Weir;

beforeAll(async () => {
  started = await startStages();
  weir = started.weir;
});
afterAll(() => started?.stop());

/** What the vendor says; the class of an HTTP client's error with its status; the code of the RPC. */
const refusals: readonly (readonly [name: string, refusal: Refusal, kind: string, status: number, code: string])[] = [
  ["a bad request", { status: 400 }, "BadRequestError", 400, "InvalidArgument"],
  ["a wrong key of Weir's own", { status: 401 }, "InternalServerError", 502, "Unavailable"],
  ["an unknown model", { status: 404 }, "NotFoundError", 404, "InvalidArgument"],
  ["too many requests", { status: 429, retryAfterSeconds: 7 }, "RateLimitError", 429, "ResourceExhausted"],
  ["a defect", { status: 500 }, "InternalServerError", 502, "Unavailable"],
  ["an overload", { status: 503 }, "InternalServerError", 502, "Unavailable"],
];
const question = { turns: [{ role: "user" as const, parts: [{ text: "What is a weir?" }] }], outputMaximum: 100 };

describe.each(callers)("$dialect", (caller) => {
  describe.each(stages)("from $player.vendor", ({ player, model }) => {
    test.each(refusals)("%s", async (_name, refusal, kind, status, code) => {
      started.upstreamOf(player).answerWith((_request, response) => {
        const { headers, body } = player.refuse(refusal);
        response.writeHead(refusal.status, headers).end(body);
      });
      for (const stream of [false, true]) {
        const error = (await caller.send(weir, `${player.vendor}/${model}`, caller.build(question)!, stream).catch((thrown: unknown) => thrown)) as HeardError;
        expect(caller.hasStatuses ? [error.kind, error.status] : [error.kind]).toEqual(caller.hasStatuses ? [caller.errorClass ?? kind, status] : [code]);
        expect(error.requestId).toMatch(/^req_/);
        if (player.apiKey !== undefined) expect(error.message).not.toContain(player.apiKey);
      }
    });
  });
});
