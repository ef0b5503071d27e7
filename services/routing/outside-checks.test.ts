/** Owns the proof that judgements that no call waits for are bounded: in number, and in the text that is held for them. */
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { Registry } from "prom-client";
import type { Judgement, OutsideCheck, Question } from "./domain/guardrails/outside/outside-check.ts";
import { createOutsideChecks, mostBeside, mostCharactersBeside, type Judges } from "./outside-checks.ts";

const check: OutsideCheck = { name: "plugin:slow", judge: { case: "plugin", value: "slow" }, timeoutMs: 60_000, failOpen: false };

function slowJudge() {
  const waiting: ((judgement: Judgement) => void)[] = [];
  const plugin = (): Promise<Judgement> => new Promise((resolve) => waiting.push(resolve));
  const logger = { warn: () => undefined } as never;
  const ask = createOutsideChecks({ plugin } as unknown as Judges, logger, new Registry());
  const question = (isBeside: boolean, text = "hello"): Question => ({
    rule: "shadowed", side: "input", texts: [text], isBeside,
    call: { requestId: "req_1", grant: create(GrantSchema), model: "m", operation: "generate", labels: {}, signal: new AbortController().signal, deadlineMs: Infinity },
  });
  return { waiting, ask: (isBeside: boolean, text?: string) => ask(check, question(isBeside, text)) };
}

const overloaded = expect.objectContaining({ reason: "OVERLOADED" }) as Error;

test("beyond so many at a time, none is asked beside a call; a call that waits is", async () => {
  const { waiting, ask } = slowJudge();
  const asked = Array.from({ length: mostBeside }, () => ask(true));
  await expect(ask(true)).rejects.toThrow(overloaded);
  const waitedFor = ask(false);
  expect(waiting).toHaveLength(mostBeside + 1);

  for (const resolve of waiting) resolve({ verdict: "allow" });
  await Promise.all([...asked, waitedFor]);
  void ask(true);
  expect(waiting).toHaveLength(mostBeside + 2);
});

test("beyond so much text neither, but one long text alone is", async () => {
  const { waiting, ask } = slowJudge();
  const long = ask(true, "x".repeat(mostCharactersBeside + 1));
  await expect(ask(true, "x")).rejects.toThrow(overloaded);
  waiting[0]!({ verdict: "allow" });
  await long;
  void ask(true, "x");
  expect(waiting).toHaveLength(2);
});
