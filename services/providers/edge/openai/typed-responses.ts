/** Owns how generations that are translated go to OpenAI where it has both its APIs: each request says which of them it is for, and its reply is read accordingly. */
import type { GenerateAdapter } from "../../domain/adapter.ts";
import { goesAsResponse } from "./responses-choice.ts";
import { createResponsesEventReader } from "./responses-event-reader.ts";
import { readResponse } from "./responses-reply.ts";
import { buildResponsesRequest, responsesPath } from "./responses-request.ts";

/** @param origin the vendor, as signatures of reasoning name it */
export function withResponses(chat: GenerateAdapter, origin: string): GenerateAdapter {
  return {
    ...chat,
    buildRequest: (generation, model, stream) => (goesAsResponse(generation, model) ? buildResponsesRequest(generation, model, stream, origin) : chat.buildRequest(generation, model, stream)),
    readReply: (body, request) => (request?.path === responsesPath ? readResponse(body, origin) : chat.readReply(body)),
    createStreamReader: (request) => (request.path === responsesPath ? createResponsesEventReader(origin) : chat.createStreamReader(request)),
  };
}
