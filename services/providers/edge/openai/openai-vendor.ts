/** Owns the vendor `openai`: OpenAI itself, with its Responses API, and every server that is told apart from its Chat Completions by nothing. */
import type { VendorAdapter } from "../../domain/adapter.ts";
import { batchAdapter, batchRelays } from "./batches.ts";
import { fileRelays } from "../../domain/reply/file-relays.ts";
import { countTokensAdapter } from "./responses/count-tokens.ts";
import { createOpenaiCompatible } from "./compatible/compatible.ts";
import { openaiItself } from "./compatible/quirks.ts";
import { rerankAdapter } from "./rerank.ts";
import { rateLimitHeaders } from "./rate-limits.ts";
import { responsesForm } from "./responses/native-responses.ts";
import { responsesDialect } from "./responses/build-input.ts";
import { withResponses } from "./responses/both-apis.ts";
import { atUsualPrice } from "./usual-price.ts";

const chatVendor = createOpenaiCompatible({
  vendor: "openai",
  baseUrl: "https://api.openai.com/v1",
  quirks: openaiItself,
  takesOpenaiBytes: true,
  operations: ["embed", "moderate", "generateImages", "synthesizeSpeech", "transcribe", "editImages"],
  // Not `openai-organization`: it tells of the operator's account, not of the caller's.
  forwardedReplyHeaders: ["openai-processing-ms", "openai-version", ...rateLimitHeaders],
});

export const openaiVendor: VendorAdapter = {
  ...chatVendor,
  generate: { ...chatVendor.generate, nativeForms: { [responsesDialect]: responsesForm } },
  // Not OpenAI's, but of many a server that is told apart by nothing else.
  operations: { ...chatVendor.operations, rerank: rerankAdapter },
};

/** The vendor where it has the Responses API (which then also takes what is translated, see choose-api.ts), files and batches, which many compatible servers lack. */
export const openaiVendorWithResponses: VendorAdapter = {
  ...openaiVendor,
  generate: { ...withResponses(openaiVendor.generate, "openai"), atUsualPrice },
  nativeDialects: [...openaiVendor.nativeDialects, responsesDialect],
  operations: { ...chatVendor.operations, countTokens: countTokensAdapter },
  relays: [...(chatVendor.relays ?? []), ...fileRelays("openai"), ...batchRelays],
  batches: batchAdapter,
};
