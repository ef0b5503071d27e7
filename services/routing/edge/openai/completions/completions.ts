/** Owns POST /v1/completions, OpenAI's legacy API: a prompt is asked as a chat of one user's message. */
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { GenerateCall, GenerateEndpoint, JsonObject } from "../../../domain/dialect.ts";
import { CompletionStreamWriter } from "./completion-stream-writer.ts";
import { ObjectReader } from "../object-reader.ts";
import { readGeneration, type GenerationReading } from "../chat/read-generation.ts";
import { asksForUsage } from "../chat/stream-options.ts";
import { writeCompletion } from "./write-completion.ts";

export const completionsEndpoint = { operation: "generate", method: "POST", path: "/v1/completions", read } satisfies GenerateEndpoint;

function read(json: JsonObject): GenerateCall {
  const body = new ObjectReader(json);
  let reading: GenerationReading | undefined;
  return {
    model: body.text("model"),
    stream: body.optionalBoolean("stream") ?? false,
    // Vendors that speak OpenAI get chats.
    isNative: false,
    get unknownFields() {
      return reading?.unknownFields ?? [];
    },
    toGeneration: (): Generation => (reading ??= readPrompt(json)).generation,
    writeReply: writeCompletion,
    createStreamWriter: () => new CompletionStreamWriter(asksForUsage(json)),
  };
}

/** What a completion and a chat call the same. */
const sharedMembers = ["model", "stream", "stream_options", "max_tokens", "temperature", "top_p", "top_k", "n", "stop", "presence_penalty", "frequency_penalty", "logit_bias", "seed", "user"];

function readPrompt(json: JsonObject): GenerationReading {
  const body = new ObjectReader(json);
  const shared = Object.fromEntries(sharedMembers.map((name) => [name, body.raw(name)]));
  const logprobs = body.optionalInt32("logprobs");
  const { generation, unknownFields } = readGeneration({
    ...shared,
    messages: [{ role: "user", content: readText(body) }],
    ...(logprobs === undefined ? {} : { logprobs: true, top_logprobs: logprobs }),
  });
  // Members that ask for nothing beyond what a chat gives are no loss.
  if (body.raw("echo") === true) body.leaveUnread("echo");
  const bestOf = body.optionalInt32("best_of");
  if (bestOf !== undefined && bestOf !== (generation.candidateCount ?? 1)) body.leaveUnread("best_of");
  if (body.raw("suffix") !== "") body.leaveUnread("suffix");
  return { generation, unknownFields: [...unknownFields, ...body.unreadMembers()] };
}

/** One text: several prompts would be several calls, and token ids are of one vendor's vocabulary. */
function readText(body: ObjectReader): string {
  const prompt = body.raw("prompt");
  const [text, ...others] = Array.isArray(prompt) ? (prompt as unknown[]) : [prompt];
  if (typeof text === "number" || Array.isArray(text)) throw body.untranslatable("prompt", "is given in token ids, which have no translation; send the text");
  if (others.length > 0) throw body.untranslatable("prompt", "holds several prompts; send them one by one");
  if (typeof text !== "string" || text === "") throw body.fault("prompt", "must be a string or a list of one string, and not empty");
  return text;
}
