/** Owns what Weir must know of Ollama as a vendor: its own Chat and Embed, which say more than what it has of OpenAI's. */
import { NdjsonSplitter } from "#platform/formats/ndjson.ts";
import type { VendorAdapter } from "../../domain/adapter.ts";
import { anyAddress } from "../../domain/media/remote-media.ts";
// Ollama's errors are `{"error": "…"}`, which that reading knows.
import { readError } from "../openai/errors.ts";
import { buildNativeRequest, buildRequest } from "./build-request.ts";
import { embedAdapter } from "./embeddings.ts";
import { readReply, summarizeReply } from "./read-reply.ts";
import { OllamaStreamReader } from "./stream-reader.ts";
import { nativeDialect } from "./write-messages.ts";

export const ollamaVendor: VendorAdapter = {
  vendor: "ollama",
  nativeDialects: [nativeDialect],
  defaultBaseUrl: "http://127.0.0.1:11434",
  // Ollama's cloud wants one, a server of one's own does not.
  needsCredential: false,
  forwardedRequestHeaders: [],
  // A closed connection stops the generation: https://github.com/ollama/ollama hands the request's context to the runner.
  onDisconnect: "cancel",
  forwardedReplyHeaders: [],
  authorize: (credential) => ({ authorization: `Bearer ${credential.reveal()}` }),
  upstreamRequestId: () => "",
  readError,
  generate: {
    takenAsBytes: { image: anyAddress, file: anyAddress },
    buildRequest,
    buildNativeRequest,
    readReply,
    summarizeReply,
    createStreamReader: () => new OllamaStreamReader(),
    createSplitter: () => new NdjsonSplitter(),
  },
  operations: { embed: embedAdapter },
};
