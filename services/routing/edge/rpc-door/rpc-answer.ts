/** Owns writing the answer of an RPC to its connection, and what becomes of the rest of a request that was not read to its end. */
import { constants, type Http2ServerResponse } from "node:http2";
import { universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { HttpRequest, HttpResponse } from "#platform/http/listener.ts";
import { discardRest } from "../read-body.ts";
import { unread } from "./rpc-refusals.ts";
import { hasFailed, writeTrailersAlone } from "./trailers-alone.ts";

export function writeAnswer(request: HttpRequest, response: HttpResponse, answer: UniversalServerResponse): void {
  // A response over HTTP/2 has itself finished only when its stream is closed.
  (isOverHttp2(response) ? response.stream : response).once("finish", () => leaveRest(request, response));
  // A caller who goes away is seen by the scope of the request.
  writeOut(answer, response).catch(() => response.destroy());
}

/** What of a refused request is not read would stand before its connection's next one. Over HTTP/2 its stream would stay open: the caller is told to send no more. */
function leaveRest(request: HttpRequest, response: HttpResponse): void {
  if (request.complete) return;
  if (isOverHttp2(response)) response.stream.close(constants.NGHTTP2_NO_ERROR);
  else discardRest(request);
}

async function writeOut(answer: UniversalServerResponse, response: HttpResponse): Promise<void> {
  const { body: pieces, trailer } = answer;
  if (pieces === undefined || trailer === undefined || !isOverHttp2(response)) return universalResponseToNodeResponse(answer, response);
  const body = pieces[Symbol.asyncIterator]();
  const first = await body.next();
  if (first.done === true && hasFailed(trailer)) writeTrailersAlone(answer, response.stream);
  else await universalResponseToNodeResponse({ ...answer, body: unread(body, first) }, response);
}

function isOverHttp2(response: HttpResponse): response is HttpResponse & Http2ServerResponse {
  return "stream" in response;
}
