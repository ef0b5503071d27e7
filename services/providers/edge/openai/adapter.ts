/** Owns the vendor `openai`: OpenAI itself and every server that is told apart from it by nothing. */
import { createOpenaiCompatible, rateLimitHeaders } from "./compatible.ts";
import { openaiItself } from "./quirks.ts";

export const openaiVendor = createOpenaiCompatible({
  vendor: "openai",
  baseUrl: "https://api.openai.com/v1",
  quirks: openaiItself,
  takesOpenaiBytes: true,
  hasEmbeddings: true,
  // Not `openai-organization`: it tells of the operator's account, not of the caller's.
  forwardedReplyHeaders: ["openai-processing-ms", "openai-version", ...rateLimitHeaders],
});
