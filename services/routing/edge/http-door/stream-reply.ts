/** Owns passing a streamed reply on to the caller as it comes: no faster than they read, kept alive while it is silent, and ended by an error that they can read. */
import type { Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { breakOff, type HttpResponse } from "#platform/http/listener.ts";
import type { Reply } from "../../domain/call.ts";
import type { Dialect, StreamWriter } from "../../domain/dialect.ts";
import { identifyEvents } from "../../domain/reply-origin.ts";
import type { Arrived } from "./arrived-request.ts";
import { headersOf } from "./write-answer.ts";

export async function streamReply(arrived: Arrived, dialect: Dialect, reply: Reply, createWriter: (first: AttemptResponse) => StreamWriter, warningsAt: (first: AttemptResponse) => readonly Warning[]): Promise<void> {
  const { response, scope, dependencies } = arrived;
  // Once the stream has begun: before, nothing can be written without deciding for this target.
  let writer: StreamWriter | undefined;
  const silence = setInterval(() => {
    if (writer !== undefined && !response.writableNeedDrain && writer.keepAlive !== "") response.write(writer.keepAlive);
  }, dependencies.config().streamKeepAliveMs);
  try {
    for await (const message of reply.messages) {
      silence.refresh();
      let { events } = message;
      if (writer === undefined) {
        writer = createWriter(message);
        events = identifyEvents(events, { requestId: scope.requestId, target: reply.target.name });
        const headers = headersOf(arrived, dialect, reply, message, warningsAt(message));
        response.writeHead(200, { ...headers, "content-type": writer.contentType, "cache-control": "no-cache" });
      }
      const bytes = message.native.length === 0 ? writer.write(events) : writer.relay === undefined ? message.native : writer.relay(message.native);
      if (message.end !== undefined) scope.isAnswered = true;
      if (bytes.length > 0 && !response.write(bytes)) await drained(response, scope.signal);
    }
    response.end(writer?.end?.() ?? "");
  } catch (thrown) {
    // Also to a caller whose time is up, or whose key is withdrawn; not to one who is gone.
    if (writer !== undefined && !response.destroyed) {
      const farewell = writer.writeError(asGatewayError(scope.signal.aborted ? scope.signal.reason : thrown), scope.requestId);
      if (farewell === "") breakOff(response);
      else response.write(farewell);
    }
    throw thrown;
  } finally {
    clearInterval(silence);
  }
}

/** Of what is still in the way when a reply has begun, the caller learns only what Weir itself says. */
function asGatewayError(thrown: unknown): GatewayError {
  return thrown instanceof GatewayError ? thrown : new GatewayError("INTERNAL", "Weir failed while it streamed the reply; its log has the cause under the request id.");
}

function drained(response: HttpResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      response.removeListener("drain", settle);
      response.removeListener("close", settle);
      signal.removeEventListener("abort", settle);
      if (signal.aborted) reject(signal.reason as Error);
      else resolve();
    };
    response.once("drain", settle);
    response.once("close", settle);
    signal.addEventListener("abort", settle);
    if (signal.aborted) settle();
  });
}
