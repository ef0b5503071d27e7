/** Owns ending RPCs whose callers begin a request over HTTP/2 and fall silent: nobody else counts their time, and each takes one of `limits.max_concurrent_requests`. */
import { constants, type ServerHttp2Stream } from "node:http2";
import type { HttpRequest } from "#platform/http/listener.ts";

/** As long as the body of a dialect may be silent. */
const silenceMs = 30_000;

export function endUnfinished(request: HttpRequest, maximumSilenceMs = silenceMs): void {
  const { stream } = request as HttpRequest & { readonly stream?: ServerHttp2Stream };
  if (stream === undefined) return;
  stream.setTimeout(maximumSilenceMs, () => stream.close(constants.NGHTTP2_CANCEL));
  request.once("end", () => stream.setTimeout(0));
}
