/** Owns how generations that are translated go to OpenAI where it has both its APIs: each request says which of them it is for, and its reply is read accordingly. */
import type { GenerateAdapter } from "../../../domain/adapter.ts";
import { goesAsResponse } from "./choose-api.ts";
import { createResponsesStreamReader } from "./stream-reader.ts";
import { readResponse } from "./read-reply.ts";
import { buildResponsesRequest, responsesPath } from "./build-request.ts";

/** @param origin the vendor, as signatures of reasoning name it */
export function withResponses(chat: GenerateAdapter, origin: string): GenerateAdapter {
  return {
    ...chat,
    buildRequest: (generation, model, stream) => (goesAsResponse(generation, model) ? buildResponsesRequest(generation, model, stream, origin) : chat.buildRequest(generation, model, stream)),
    readReply: (body, request) => (request?.path === responsesPath ? readResponse(body, origin) : chat.readReply(body)),
    createStreamReader: (request) => (request.path === responsesPath ? createResponsesStreamReader(origin) : chat.createStreamReader(request)),
  };
}
