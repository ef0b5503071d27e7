/** Owns what Weir must know of Cohere as a vendor: its Chat, Embed and Rerank of version 2. */
import type { VendorAdapter } from "../../domain/adapter.ts";
import { anyAddress } from "../../domain/media/remote-media.ts";
// Cohere's errors are flat, `{"message": …}`, which that reading knows: https://docs.cohere.com/reference/errors
import { readError } from "../openai/errors.ts";
import { buildNativeRequest, buildRequest } from "./build-request.ts";
import { embedAdapter } from "./embeddings.ts";
import { readReply, summarizeReply } from "./read-reply.ts";
import { rerankAdapter } from "./rerank.ts";
import { CohereStreamReader } from "./stream-reader.ts";
import { nativeDialect } from "./write-messages.ts";

export const cohereVendor: VendorAdapter = {
  vendor: "cohere",
  nativeDialects: [nativeDialect],
  defaultBaseUrl: "https://api.cohere.com/v2",
  needsCredential: true,
  forwardedRequestHeaders: [],
  // Cohere states no rule for a reply that is cut off; reading on would surely pay for all of it.
  onDisconnect: "cancel",
  forwardedReplyHeaders: [],
  authorize: (credential) => ({ authorization: `Bearer ${credential.reveal()}` }),
  // Undocumented, and the only id in the headers of its replies.
  upstreamRequestId: (headers) => headers["x-debug-trace-id"] ?? "",
  readError,
  generate: {
    takenAsBytes: { file: anyAddress },
    buildRequest,
    buildNativeRequest,
    readReply,
    summarizeReply,
    createStreamReader: () => new CohereStreamReader(),
  },
  operations: { embed: embedAdapter, rerank: rerankAdapter },
};
