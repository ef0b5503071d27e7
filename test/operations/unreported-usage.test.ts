/** Owns the proof that a whole reply without a usage is charged by the tokens of its texts, through each door. */
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const question = "水流得多快?";
const answer = "Die Aare führt im Mittel 560 m³/s, sagt das Bundesamt für Umwelt. 🌊";

let upstream: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  upstream = await startScriptedProvider((_, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ id: "c1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: answer }, finish_reason: "stop" }] }));
  });
  weir = await startWeir({ config: `providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }` });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

test.each(["/v1/chat/completions", "/v1/messages"])("%s", async (path) => {
  const response = await fetch(weir.origin + path, {
    method: "POST",
    headers: { authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "up/m", max_tokens: 50, messages: [{ role: "user", content: question }] }),
  });
  expect(await response.text()).toContain(answer);
  const [attempt] = await weir.attempts(1, { requestId: (response.headers.get("x-request-id") ?? response.headers.get("request-id"))! });
  expect(attempt!.event).toMatchObject({ rank: UsageSource.ESTIMATED, outcome: { result: AttemptResult.SUCCEEDED } });
  expect(attempt!.event!.outcome!.usage!.quantities).toMatchObject([
    { meter: Meter.INPUT_TOKENS, quantity: BigInt(countTokens(question)) },
    { meter: Meter.OUTPUT_TOKENS, quantity: BigInt(countTokens(answer)) },
  ]);
});
