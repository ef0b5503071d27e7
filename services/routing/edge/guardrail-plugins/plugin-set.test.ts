import { create } from "@bufbuild/protobuf";
import { afterEach, expect, test } from "vitest";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { JudgedTooLate, type Question } from "../../domain/guardrails/outside/outside-check.ts";
import { PluginSet, type PluginConfig } from "./plugin-set.ts";

const { signal } = new AbortController();
const question: Question = { rule: "rule", side: "input", texts: ["text"], call: { requestId: "req_1", grant: create(GrantSchema), model: "m", operation: "generate", labels: {}, signal, deadlineMs: Infinity } };

let set: PluginSet | undefined;
afterEach(() => set?.close());

test("a plug-in that keeps failing is left alone, until its configuration changes", async () => {
  const config = new MutableLiveValue(configOf("whsec_b25l"));
  set = new PluginSet(config, systemClock);
  const ask = (): Promise<unknown> => set!.judge("lost", question, signal).catch(({ reason }: { readonly reason: string }) => reason);
  expect([await ask(), await ask(), await ask()]).toEqual(["DEPENDENCY_UNAVAILABLE", "DEPENDENCY_UNAVAILABLE", "CIRCUIT_OPEN"]);
  config.set(configOf("whsec_b25l"));
  expect(await ask()).toBe("CIRCUIT_OPEN");
  config.set(configOf("whsec_dHdv"));
  expect(await ask()).toBe("DEPENDENCY_UNAVAILABLE");
});

test("that callers leave, or have no time, says nothing of the plug-in", async () => {
  set = new PluginSet(new MutableLiveValue(configOf("whsec_b25l")), systemClock);
  for (const reason of ["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "CANCELLED"] as const) {
    await expect(set.judge("lost", question, AbortSignal.abort(new GatewayError(reason, "")))).rejects.toMatchObject({ reason });
  }
});

test("one that uses up the rule's time is left alone", async () => {
  set = new PluginSet(new MutableLiveValue(configOf("whsec_b25l")), systemClock);
  const ask = (): Promise<unknown> => set!.judge("lost", question, AbortSignal.abort(new JudgedTooLate({ name: "plugin:lost", judge: { case: "plugin", value: "lost" }, timeoutMs: 1, failOpen: false })));
  for (const reason of ["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "CIRCUIT_OPEN"]) await expect(ask()).rejects.toMatchObject({ reason });
});

test("one that is not configured gives no judgement", async () => {
  set = new PluginSet(new MutableLiveValue(configOf("whsec_b25l")), systemClock);
  await expect(set.judge("other", question, signal)).rejects.toThrow(/guardrail_plugins of weir.yaml does not name it/);
});

function configOf(secret: string): PluginConfig {
  const lost = { url: "http://127.0.0.1:1/", tls: { authorityFile: "", certificateFile: "", keyFile: "" }, secrets: [new Secret(secret)], maximumCalls: 10, maximumMessageBytes: 1_024 };
  return { plugins: new Map([["lost", lost]]), breaker: { failurePercentage: 50, minimumCalls: 2, windowMs: 60_000, openMs: 60_000 } };
}
