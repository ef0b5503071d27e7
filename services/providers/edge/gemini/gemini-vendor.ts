/** Owns what Weir must know of Google's Gemini API as a vendor. */
import type { VendorAdapter } from "../../domain/adapter.ts";
import { buildNativeRequest, buildRequest } from "./build-request.ts";
import { countTokensAdapter } from "./count-tokens.ts";
import { embedAdapter } from "./embeddings.ts";
import { readError } from "./errors.ts";
import { imagesAdapter } from "./images.ts";
import { readReply, summarizeReply } from "./read-reply.ts";
import { nativeDialect } from "./reply-json.ts";
import { speechAdapter } from "./speech.ts";
import { createStreamReader } from "./stream-reader.ts";

export const geminiVendor: VendorAdapter = {
  vendor: "gemini",
  nativeDialects: [nativeDialect],
  defaultBaseUrl: "https://generativelanguage.googleapis.com/v1beta",
  needsCredential: true,
  forwardedRequestHeaders: [],
  /** A caller that goes away ends nothing at Google, and is billed for all of it: `abortSignal` of GenerateContentConfig in @google/genai. */
  onDisconnect: "drain",
  forwardedReplyHeaders: ["server-timing", "x-gemini-service-tier"],
  authorize: (credential) => ({ "x-goog-api-key": credential.reveal() }),
  /** Gemini's replies have their id in the body alone. */
  upstreamRequestId: () => "",
  /** It may be another than was asked for: https://ai.google.dev/gemini-api/docs/priority-inference. */
  serviceTier: (headers) => (headers["x-gemini-service-tier"] ?? "").toLowerCase(),
  readError,
  generate: {
    // It fetches by https: https://ai.google.dev/gemini-api/docs/file-input-methods
    takenAsBytes: { image: ["http:"], audio: ["http:"], file: ["http:"] },
    // "Must start with a letter or an underscore. Must be a-z, A-Z, 0-9, or contain underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64":
    // https://github.com/kaitranntt/ccs/issues/25
    toolNames: { refused: /[^\w.:-]/gu, beginning: /^[a-zA-Z_]/, maximumCharacters: 64 },
    buildRequest,
    buildNativeRequest,
    readReply,
    summarizeReply,
    createStreamReader,
  },
  operations: { embed: embedAdapter, countTokens: countTokensAdapter, generateImages: imagesAdapter },
  speech: speechAdapter,
};
