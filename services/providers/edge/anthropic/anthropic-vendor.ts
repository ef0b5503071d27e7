/** Owns what Weir must know of Anthropic as a vendor. */
import type { VendorAdapter } from "../../domain/adapter.ts";
import { fileRelays } from "../../domain/reply/file-relays.ts";
import { plainToolNames } from "../../domain/translation/tool-names.ts";
import { batchAdapter, batchRelays } from "./batches.ts";
import { buildNativeRequest, buildRequest } from "./build-request.ts";
import { countTokensAdapter } from "./count-tokens.ts";
import { readError } from "./errors.ts";
import { rateLimitHeaders, readRateLimits } from "./rate-limits.ts";
import { readReply, summarizeReply } from "./read-reply.ts";
import { AnthropicStreamReader } from "./stream-reader.ts";
import { nativeDialect } from "./write-content.ts";

/** The version of the Messages API; Anthropic has named no later one. */
const apiVersion = "2023-06-01";

export const anthropicVendor: VendorAdapter = {
  vendor: "anthropic",
  nativeDialects: [nativeDialect],
  defaultBaseUrl: "https://api.anthropic.com/v1",
  needsCredential: true,
  forwardedRequestHeaders: ["anthropic-beta"],
  /**
   * Anthropic states no rule for a reply that is cut off; its own clients stop one by closing the connection. Reading on
   * would surely pay for the whole reply, so Weir closes too, and estimates the output: the stream's first event has the exact
   * input. Another gateway, which measured vendors, treats Anthropic the same way:
   * https://www.truefoundry.com/docs/ai-gateway/stream-disconnect-cost-accounting
   */
  onDisconnect: "cancel",
  forwardedReplyHeaders: ["retry-after", ...rateLimitHeaders],
  authorize: (credential) => ({ "x-api-key": credential.reveal(), "anthropic-version": apiVersion }),
  upstreamRequestId: (headers) => headers["request-id"] ?? "",
  readRateLimits,
  readError,
  operations: { countTokens: countTokensAdapter },
  generate: {
    // "Only HTTPS URLs are supported": https://github.com/BrokkAi/brokk-app/issues/2269
    takenAsBytes: { image: ["http:"], file: ["http:"] },
    // "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'": https://github.com/home-assistant/core/issues/147760
    toolNames: plainToolNames(128),
    buildRequest,
    buildNativeRequest,
    readReply,
    summarizeReply,
    createStreamReader: () => new AnthropicStreamReader(),
  },
  relays: [...fileRelays(nativeDialect), ...batchRelays],
  batches: batchAdapter,
};
