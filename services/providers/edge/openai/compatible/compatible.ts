/** Owns how a vendor is made that speaks OpenAI's Chat Completions and Embeddings, with what is its own said as data. */
import type { VendorAdapter } from "../../../domain/adapter.ts";
import { anyAddress, type TakenAsBytes } from "../../../domain/media/remote-media.ts";
import { plainToolNames } from "../../../domain/translation/tool-names.ts";
import { buildRequest } from "../chat/build-request.ts";
import { createOperations, createRelays, type CompatibleOperation } from "./compatible-operations.ts";
import { readError } from "../errors.ts";
import { buildNativeRequest } from "../chat/native-request.ts";
import type { OpenaiQuirks } from "./quirks.ts";
import { rateLimitHeaders, readRateLimits } from "../rate-limits.ts";
import { readReply, summarizeReply } from "../chat/read-reply.ts";
import { openaiSpeech } from "../media/speech.ts";
import { createStreamReader } from "../chat/stream-reader.ts";

export interface CompatibleVendor {
  readonly vendor: string;
  /** With the API's version and without a slash at the end. */
  readonly baseUrl: string;
  readonly quirks: OpenaiQuirks;
  /**
   * True where the bytes of OpenAI's clients can go to the vendor as they are: then nothing in them is lost, and nothing that the
   * vendor has not is warned of. False where common members of them would be refused.
   */
  readonly takesOpenaiBytes: boolean;
  /** What it has beside Chat Completions. */
  readonly operations: readonly CompatibleOperation[];
  /** False for servers that run without a credential; true when not said. */
  readonly needsCredential?: boolean;
  /** Reply headers (lower case) that hold the vendor's id of the request, the first that is there; `x-request-id` when not said. */
  readonly requestIdHeaders?: readonly string[];
  /** Reply headers (lower case) passed on to callers; the vendor's rate limits under OpenAI's names when not said. */
  readonly forwardedReplyHeaders?: readonly string[];
}

export function createOpenaiCompatible({
  vendor,
  baseUrl,
  quirks,
  takesOpenaiBytes,
  operations,
  needsCredential = true,
  requestIdHeaders = ["x-request-id"],
  forwardedReplyHeaders = rateLimitHeaders,
}: CompatibleVendor): VendorAdapter {
  return {
    vendor,
    nativeDialects: takesOpenaiBytes ? ["openai"] : [],
    defaultBaseUrl: baseUrl,
    needsCredential,
    forwardedRequestHeaders: [],
    // A closed connection stops the generation, and only what was generated is billed.
    onDisconnect: "cancel",
    forwardedReplyHeaders,
    authorize: (credential) => ({ authorization: `Bearer ${credential.reveal()}` }),
    upstreamRequestId: (headers) => requestIdHeaders.map((name) => headers[name]).find((id) => id !== undefined) ?? "",
    readRateLimits,
    readError,
    generate: {
      takenAsBytes: takenAsBytes(quirks),
      // "Must be a-z, A-Z, 0-9, or contain underscores and dashes, with a maximum length of 64": FunctionDefinition of https://github.com/openai/openai-node
      toolNames: plainToolNames(64),
      buildRequest: (generation, model, stream) => buildRequest(generation, model, stream, quirks),
      buildNativeRequest: (body, model, stream, outputMaximum) => buildNativeRequest(body, model, stream && quirks.hasStreamOptions, quirks, outputMaximum),
      readReply,
      summarizeReply,
      createStreamReader,
    },
    operations: createOperations(operations, quirks, takesOpenaiBytes),
    relays: createRelays(operations, quirks, takesOpenaiBytes),
    ...(operations.includes("synthesizeSpeech") ? { speech: openaiSpeech } : {}),
  };
}

function takenAsBytes({ fetchesImages, documentPart }: OpenaiQuirks): TakenAsBytes {
  return {
    ...(fetchesImages ? {} : { image: anyAddress }),
    audio: anyAddress,
    ...(documentPart === "document_url" ? {} : { file: anyAddress }),
  };
}
