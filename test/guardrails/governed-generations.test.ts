/** Proves that generations carry the instructions that guardrails require, and ask for no more than they allow, in every form in which they go out. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { vendors } from "../../services/providers/edge/vendors.ts";
import { nativeInstructions } from "../../services/routing/domain/guardrails/generation/native-instructions.ts";
import { runWeir } from "../harness/run-weir.ts";
import { startScriptedProvider, type Answer, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";


let upstream: ScriptedProvider;
let weir: Weir;

const replies: Readonly<Record<string, unknown>> = {
  "/chat/completions": { id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "done" } }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } },
  "/messages": { id: "msg", type: "message", role: "assistant", model: "m", content: [{ type: "text", text: "done" }], stop_reason: "end_turn", stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 } },
};
const answer: Answer = ({ path }, response) => {
  const reply = Object.entries(replies).find(([ending]) => path.endsWith(ending))![1];
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(reply));
};

beforeAll(async () => {
  upstream = await startScriptedProvider(answer);
  weir = await startWeir({
    config: `
providers:
  oai: { vendor: openai, api_key: sk-a, base_url: "${upstream.baseUrl}", models: [m] }
  ant: { vendor: anthropic, api_key: sk-b, base_url: "${upstream.baseUrl}", models: [m] }
routes:
${["told", "clamped", "refused", "noted", "counted"].flatMap((name) => [`  ${name}: { targets: [oai/m] }`, `  ${name}-ant: { targets: [ant/m] }`]).join("\n")}
guardrails:
  - { name: house-rules, models: [told, told-ant], mode: instruct, instruction: { text: "Never speak of Project Falcon." } }
  - { name: closing, models: [told, told-ant], mode: instruct, instruction: { text: "Answer in French.", place: after } }
  - { name: falcon, models: [told, told-ant], mode: block, words: [Project Falcon], sides: [input] }
  - { name: lowered, models: [clamped, clamped-ant], mode: clamp, caps: &caps { max_output_tokens: 100, max_temperature: 0.5, max_candidates: 1, max_reasoning_effort: low, forbidden_tools: [shell, web_search] } }
  - { name: refusing, models: [refused], mode: block, caps: *caps }
  - { name: noting, models: [noted], mode: annotate, caps: *caps }
  - { name: counting, models: [counted], mode: shadow, caps: *caps }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

async function ask(path: string, body: object | string): Promise<{ readonly status: number; readonly error: string; readonly warnings: string | null }> {
  const headers = { authorization: `Bearer ${weir.inferenceKey}`, "anthropic-version": "2023-06-01" };
  const response = await fetch(`${weir.origin}/v1/${path}`, { method: "POST", headers, body: typeof body === "string" ? body : JSON.stringify(body) });
  return { status: response.status, error: response.ok ? "" : await response.text(), warnings: response.headers.get("x-weir-warnings") };
}

const lastSent = (): string => upstream.requests.at(-1)!.body.toString();
const lastJson = (): Readonly<Record<string, unknown>> => JSON.parse(lastSent()) as Readonly<Record<string, unknown>>;

test("instructions stand around the caller's own in the bytes that pass through, and guardrails do not look at them", async () => {
  const body = (instructions: string, closing: string) => `{ "model" : "told", "messages":[${instructions}{"role":"system","content":"Be kind."},${closing}{"role":"user","content":"Hi"}],  "field_of_tomorrow": {"n": 1.50e0} }`;
  expect(await ask("chat/completions", body("", ""))).toMatchObject({ status: 200, warnings: null });
  const written = (content: string): string => `{"role":"system","content":"${content}"},`;
  expect(lastSent()).toBe(body(written("Never speak of Project Falcon."), written("Answer in French.")).replace('"told"', '"m"'));

  const message = { max_tokens: 9, messages: [{ role: "user", content: "Hi" }] };
  await ask("messages", { model: "told-ant", system: "Be kind.", ...message });
  expect(lastJson()["system"]).toBe("Never speak of Project Falcon.\n\nBe kind.\n\nAnswer in French.");
  expect((await ask("chat/completions", { model: "told", messages: [{ role: "user", content: "What is Project Falcon?" }] })).error).toContain("falcon");
});

test("a translated generation carries them too, and one of the RPC", async () => {
  await ask("chat/completions", { model: "told-ant", messages: [{ role: "system", content: "Be kind." }, { role: "user", content: "Hi" }] });
  expect(JSON.stringify(lastJson()["system"])).toMatch(/Never speak of Project Falcon.*Be kind.*Answer in French/);
  await weir.client(InferenceService, weir.inferenceKey).generate({ generation: { model: "told", messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: { text: "Hi" } } }] }] } });
  expect((lastJson()["messages"] as { content: string }[]).map(({ content }) => content)).toEqual(["Never speak of Project Falcon.", "Answer in French.", "Hi"]);
});

test("every dialect whose bytes a vendor takes has a place for instructions", () => {
  const taken = Object.values(vendors).flatMap(({ adapter, adapterAtHome = adapter }) => [...adapter.nativeDialects, ...adapterAtHome.nativeDialects]);
  expect([...new Set(taken)].sort()).toEqual(Object.keys(nativeInstructions).sort());
});

const tool = (name: string): object => ({ type: "function", function: { name, parameters: { type: "object" } } });
const greedy = { messages: [{ role: "user", content: "Hi" }], max_tokens: 5_000, temperature: 1.5, n: 3, reasoning_effort: "high", tools: [tool("shell"), tool("add")], tool_choice: tool("shell") };

test("what is beyond the caps is lowered, and the caller told", async () => {
  const { warnings } = await ask("chat/completions", { model: "clamped", ...greedy });
  const { messages: _messages, ...rest } = greedy;
  expect(Object.keys(rest).filter((name) => name in lastJson() && JSON.stringify(lastJson()[name]) === JSON.stringify(rest[name as keyof typeof rest]))).toEqual([]);
  expect(lastJson()).toMatchObject({ temperature: 0.5, reasoning_effort: "low" });
  expect((lastJson()["tools"] as { function: { name: string } }[]).map((one) => one.function.name)).toEqual(["add"]);
  for (const told of ["max_output_tokens: 100 instead of 5000: guardrail lowered", "temperature: 0.5 instead of 1.5", "candidate_count: 1 instead of 3", "reasoning.effort: low instead of high", "tools: add instead of shell"]) expect(warnings).toContain(told);
});

test("a lower output maximum alone leaves the bytes as they came, stated or not", async () => {
  expect((await ask("chat/completions", `{ "model" : "clamped", "max_tokens": 5000,"messages":[{"role":"user","content":"Hi"}], "seed": 1.0 }`)).warnings).toContain("100 instead of 5000");
  expect(lastSent()).toBe(`{ "model" : "m", "max_tokens": 100,"messages":[{"role":"user","content":"Hi"}], "seed": 1.0 }`);
  expect((await ask("chat/completions", { model: "clamped", messages: greedy.messages })).warnings).toContain("at most 100 instead of the model's own maximum");
  expect(lastJson()["max_completion_tokens"]).toBe(100);
  expect((await ask("chat/completions", { model: "clamped", max_completion_tokens: 50, max_tokens: 5_000, messages: greedy.messages })).status).toBe(400);
  await ask("chat/completions", { model: "clamped-ant", ...greedy });
  expect(lastJson()).toMatchObject({ max_tokens: 100 });
});

test("tools of the vendor's own go by what they do, and what Weir cannot read is no way around", async () => {
  await ask("messages", { model: "clamped-ant", max_tokens: 9, messages: greedy.messages, tools: [{ type: "web_search_20250305", name: "web_search" }, { name: "add", input_schema: { type: "object" } }] });
  expect((lastJson()["tools"] as { name: string }[]).map(({ name }) => name)).toEqual(["add"]);
  expect((await ask("chat/completions", { model: "clamped", max_tokens: 9, messages: greedy.messages, tools_of_tomorrow: ["shell"] })).warnings).toContain("tools_of_tomorrow");
  expect(lastSent()).not.toContain("shell");
});

test("by the mode, the call is refused, told of, or only counted", async () => {
  const sent = upstream.requests.length;
  const { status, error } = await ask("chat/completions", { model: "refused", ...greedy });
  expect([status, upstream.requests.length]).toEqual([400, sent]);
  expect(error).toContain('The guardrail \\"refusing\\" blocked this call: it asks for max_output_tokens 5000, and allowed is 100.');
  expect((await ask("chat/completions", { model: "refused", messages: greedy.messages })).status).toBe(200);
  expect(lastJson()["max_completion_tokens"]).toBe(100);

  expect((await ask("chat/completions", { model: "noted", ...greedy })).warnings).toContain("temperature: 1.5, and guardrail noting allows 0.5");
  expect(lastJson()).toMatchObject({ ...greedy, model: "m" });
  expect((await ask("chat/completions", { model: "counted", ...greedy })).warnings).toBeNull();
  expect(lastJson()).toMatchObject({ ...greedy, model: "m" });
});

test("weir guardrails makes them, and a rule that mixes them up is refused", async () => {
  const run = async (...words: string[]): Promise<string> => (await runWeir(["guardrails", ...words], { environment: { WEIR_DATA: weir.dataDirectory } })).stdout;
  const cap = async (): Promise<string> => run("create", "cli-caps", "--mode", "clamp", "--max-output-tokens", "7", "--max-temperature", "0.5", "--forbid-tool", "shell", "--model", "nobody/*");
  const ids = [await cap(), await run("create", "cli-told", "--mode", "instruct", "--instruction", "Be kind.", "--model", "nobody/*")].map((line) => /grd_\w+/.exec(line)![0]);
  const listed = await run("list");
  expect(listed).toMatch(/cli-caps +clamp +.*max_output_tokens,max_temperature,forbidden_tools/);
  expect(listed).toMatch(/cli-told +instruct/);
  for (const id of ids) await run("delete", id);
  const policy = weir.client(PolicyService);
  await expect(policy.createGuardrail({ rule: { name: "mixed", mode: "clamp", detectors: ["email"] } })).rejects.toThrow(/clamp needs caps/);
  await expect(policy.createGuardrail({ rule: { name: "mixed", mode: "instruct" } })).rejects.toThrow(/needs an instruction/);
});
