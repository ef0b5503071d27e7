/** Owns the vendor `openai`: OpenAI itself and every server that speaks its Chat Completions and Embeddings. */
import type { VendorAdapter } from "../../domain/adapter.ts";
import { buildRequest } from "./build-request.ts";
import { embedAdapter } from "./embeddings.ts";
import { readError } from "./errors.ts";
import { buildNativeRequest } from "./native-request.ts";
import { readReply, summarizeReply } from "./read-reply.ts";
import { createStreamReader } from "./stream-reader.ts";

export const openaiVendor: VendorAdapter = {
  vendor: "openai",
  nativeDialects: ["openai"],
  defaultBaseUrl: "https://api.openai.com/v1",
  needsCredential: true,
  forwardedRequestHeaders: [],
  // A closed connection stops the generation, and only what was generated is billed.
  onDisconnect: "cancel",
  // Not `openai-organization` or the rate limits: they tell of the operator's account, not of the caller's.
  forwardedReplyHeaders: [
    "openai-processing-ms",
    "openai-version",
    ...["requests", "tokens"].flatMap((kind) => ["limit", "remaining", "reset"].map((figure) => `x-ratelimit-${figure}-${kind}`)),
  ],
  authorize: (credential) => ({ authorization: `Bearer ${credential.reveal()}` }),
  upstreamRequestId: (headers) => headers["x-request-id"] ?? "",
  readError,
  generate: { buildRequest, buildNativeRequest, readReply, summarizeReply, createStreamReader },
  embed: embedAdapter,
};
