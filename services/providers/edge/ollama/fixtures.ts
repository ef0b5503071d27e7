/** Owns replies of Ollama for tests; their form is that of https://github.com/ollama/ollama/blob/main/docs/api.md and ChatResponse in its api/types.go. */

const model = "qwen3:8b";
const counts = { total_duration: 4_883_583_458, load_duration: 1_334_875, prompt_eval_count: 26, prompt_eval_duration: 342_546_000, eval_count: 282, eval_duration: 4_535_599_000 };
const call = (name: string, args: object) => ({ id: `call_${name}`, function: { index: 0, name, arguments: args } });

export const reply = {
  model,
  created_at: "2025-07-07T20:22:19.184789Z",
  message: { role: "assistant", content: "A weir 🌊 …", thinking: "Hm, rivers.", tool_calls: [call("get_flow", { river: "Aare" }), call("now", {})] },
  logprobs: [{ token: "A", logprob: -0.5, bytes: [65], top_logprobs: [{ token: "B", logprob: -1 }] }],
  done: true,
  done_reason: "stop",
  ...counts,
};

/** The same reply in a stream, but for the log-probabilities. */
export const lines: readonly object[] = [
  line({ content: "", thinking: "Hm, " }),
  line({ content: "", thinking: "rivers." }),
  line({ content: "A weir" }),
  line({ content: " 🌊 …" }),
  line({ content: "", tool_calls: [call("get_flow", { river: "Aare" })] }),
  line({ content: "", tool_calls: [call("now", {})] }),
  { ...line({ content: "" }), done: true, done_reason: "stop", ...counts },
];

export function line(message: object): object {
  return { model, created_at: "2025-07-07T20:22:19.184789Z", message: { role: "assistant", ...message }, done: false };
}

export function toBytes(messages: readonly object[]): Buffer {
  return Buffer.from(messages.map((message) => `${JSON.stringify(message)}\n`).join(""));
}
