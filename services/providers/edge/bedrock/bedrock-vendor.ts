/** Owns what Weir must know of AWS Bedrock as a vendor. */
import type { VendorAdapter } from "../../domain/adapter.ts";
import { anyAddress } from "../../domain/media/remote-media.ts";
import { plainToolNames } from "../../domain/translation/tool-names.ts";
import { buildRequest, refuseNative } from "./build-request.ts";
import { countTokensAdapter } from "./count-tokens.ts";
import { embedAdapter } from "./embeddings.ts";
import { readError } from "./errors.ts";
import { EventStreamSplitter } from "./event-stream-splitter.ts";
import { modelOf } from "./model-path.ts";
import { readReply, summarizeReply } from "./read-reply.ts";
import { authorize, sign } from "./signature.ts";
import { BedrockStreamReader } from "./stream-reader.ts";

export const bedrockVendor: VendorAdapter = {
  vendor: "bedrock",
  nativeDialects: [],
  /** Another region is another base URL. */
  defaultBaseUrl: "https://bedrock-runtime.us-east-1.amazonaws.com",
  needsCredential: true,
  forwardedRequestHeaders: [],
  /** AWS bills a stream to its end, whoever closes it: https://github.com/BerriAI/litellm/issues/34147 */
  onDisconnect: "drain",
  forwardedReplyHeaders: [],
  authorize,
  sign,
  upstreamRequestId: (headers) => headers["x-amzn-requestid"] ?? "",
  readError,
  generate: {
    takenAsBytes: { image: anyAddress, audio: anyAddress, file: anyAddress },
    // https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolSpecification.html
    toolNames: plainToolNames(64),
    buildRequest,
    buildNativeRequest: refuseNative,
    readReply,
    summarizeReply,
    createStreamReader: ({ path }) => new BedrockStreamReader(modelOf(path)),
    createSplitter: () => new EventStreamSplitter(),
  },
  operations: { embed: embedAdapter, countTokens: countTokensAdapter },
};
