/** Owns the `openai` dialect: what callers of OpenAI's API send, and what they expect back. */
import type { IncomingHttpHeaders } from "node:http";
import type { Dialect } from "../../domain/dialect.ts";
import { batchesEndpoints } from "./account/batches.ts";
import { chatCompletionsEndpoint } from "./chat/chat-completions.ts";
import { completionsEndpoint } from "./completions/completions.ts";
import { embeddingsEndpoint } from "./embeddings.ts";
import { writeError } from "./errors.ts";
import { filesEndpoints } from "./account/files.ts";
import { imageEditsEndpoint, imageVariationsEndpoint } from "./media/image-edits.ts";
import { imagesEndpoint } from "./media/images.ts";
import { speechEndpoint } from "./media/speech.ts";
import { transcriptionsEndpoint, translationsEndpoint } from "./media/transcriptions.ts";
import { modelEndpoint, modelsEndpoint } from "./models.ts";
import { moderationsEndpoint } from "./moderations.ts";
import { writeRateLimits } from "./rate-limits.ts";

export const openaiDialect: Dialect = {
  name: "openai",
  claims,
  readCredential,
  requestHeaders: [],
  endpoints: [
    chatCompletionsEndpoint,
    completionsEndpoint,
    embeddingsEndpoint,
    moderationsEndpoint,
    imagesEndpoint,
    imageEditsEndpoint,
    imageVariationsEndpoint,
    speechEndpoint,
    transcriptionsEndpoint,
    translationsEndpoint,
    modelsEndpoint,
    modelEndpoint,
    ...filesEndpoints,
    ...batchesEndpoints,
  ],
  writeRateLimits,
  writeError,
};

/** Others send a bearer token too, but then name the version of their API. */
function claims(headers: IncomingHttpHeaders): boolean {
  return readCredential(headers) !== undefined && headers["anthropic-version"] === undefined;
}

function readCredential({ authorization }: IncomingHttpHeaders): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
}
