/** Owns answering a failed gRPC call by trailers without headers, where nothing was sent before: only such a failure do gRPC's clients try again by themselves. */
import type { ServerHttp2Stream } from "node:http2";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";

export function hasFailed(trailer: Headers): boolean {
  return trailer.get("grpc-status") !== "0";
}

export function writeTrailersAlone({ status, header, trailer = new Headers() }: UniversalServerResponse, stream: ServerHttp2Stream): void {
  if (stream.destroyed) return;
  const message = trailer.get("grpc-message");
  const own = message === null ? {} : { "grpc-message": escaped(decodeURIComponent(message)) };
  stream.respond({ ":status": status, ...Object.fromEntries(header ?? []), ...Object.fromEntries(trailer), ...own }, { endStream: true });
}

/** As gRPC's specification has it. Connect escapes more, "/" and ":" among it, which grpc-js does not undo. */
function escaped(message: string): string {
  return Array.from(Buffer.from(message), (byte) => (byte >= 0x20 && byte <= 0x7e && byte !== 0x25 ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)).join("");
}
