/** Owns the public port's first step: each request is bounded, given its scope, and handed to the RPC door, the console's sign-in or the HTTP dialects. */
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import { breakOff, type HttpHandler, type HttpResponse } from "#platform/http/listener.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { RoutingConfig } from "../config.ts";
import type { ConsoleFiles } from "./browsers/console-files.ts";
import { answerCors } from "./browsers/cors.ts";
import type { HttpDoorDependencies } from "./http-door/arrived-request.ts";
import { handleHttp, refuseHttp } from "./http-door/http-door.ts";
import { RequestScope, type RequestObserver } from "./request-scope.ts";
import { createRpcDoor, isRpc, type RpcDoor, type RpcDoorOptions } from "./rpc-door/rpc-door.ts";
import { isSessionPath, type SessionDoor } from "./sessions/session-door.ts";

export interface FrontDoorOptions {
  readonly config: LiveValue<RoutingConfig>;
  readonly http: HttpDoorDependencies;
  readonly rpc: Pick<RpcDoorOptions, "services" | "admit" | "byteRoom" | "draining" | "audit" | "contents">;
  readonly sessionDoor: SessionDoor;
  readonly consoleFiles: ConsoleFiles;
  readonly clock: Clock;
  readonly observer: RequestObserver;
  /** Told of a reply that could not be written; its caller is gone, or a defect wrote it after its end. */
  readonly onReplyError: (error: Error) => void;
}

export interface FrontDoor {
  readonly handle: HttpHandler;
  /** Ends the requests that are open, and tells their callers that Weir stops. */
  readonly cutOff: () => void;
}

/** How long after its request's time a reply, or the word that the time is up, may still be on its way. */
const lastWordMs = 2_000;

export function createFrontDoor({ config, http, rpc, sessionDoor, consoleFiles, clock, observer, onReplyError }: FrontDoorOptions): FrontDoor {
  const open = new Set<RequestScope>();
  const openScope = (door: string, callerTimeoutMs?: number): RequestScope => {
    const scope = new RequestScope(door, config.current.requestTimeoutMs, callerTimeoutMs, clock, observer);
    open.add(scope);
    scope.whenOver(() => open.delete(scope));
    return scope;
  };
  const rpcDoor = (): RpcDoor =>
    createRpcDoor({ ...rpc, maximumMessageBytes: config.current.maximumBodyBytes, consoleOrigin: config.current.console.origin, openScope: (callerTimeoutMs) => openScope("rpc", callerTimeoutMs) });
  /** Cancelled when the caller goes before the answer is whole. */
  const scopeOf = (door: string, response: HttpResponse): RequestScope => {
    const scope = openScope(door);
    response.once("close", () => {
      if (!response.writableEnded) scope.cancel();
    });
    return scope;
  };
  let currentRpcDoor = rpcDoor();
  config.subscribe(() => (currentRpcDoor = rpcDoor()));
  let requests = 0;

  const handle: HttpHandler = async (request, response) => {
    if (answerCors(request, response, config.current.allowedOrigins)) return;
    requests++;
    const { maximumConcurrentRequests, requestTimeoutMs } = config.current;
    // A caller who stays and does not read would keep its place, and what waits for it, for ever.
    const overdue = setTimeout(() => breakOff(response), requestTimeoutMs + lastWordMs);
    overdue.unref();
    response.once("close", () => {
      clearTimeout(overdue);
      requests--;
    });
    // One that nobody listens to ends the process, and all other calls with it.
    response.on("error", onReplyError);
    if (requests > maximumConcurrentRequests) {
      const overloaded = new GatewayError("OVERLOADED", `Weir treats ${maximumConcurrentRequests} requests at once, the bound set in limits.max_concurrent_requests. Try again soon.`, { retryAfterMs: 1_000 });
      if (isRpc(request)) currentRpcDoor.refuse(request, response, overloaded);
      else refuseHttp(request, response, openScope("http"), http, overloaded);
    } else if (isRpc(request)) await currentRpcDoor.handle(request, response);
    else if (isSessionPath(request.url ?? "/")) await sessionDoor(request, response, scopeOf("console", response));
    else if (!consoleFiles(request, response)) await handleHttp(request, response, scopeOf("http", response), http);
  };
  const cutOff = (): void => {
    const stopping = new GatewayError("SHUTTING_DOWN", "Weir is shutting down, and could not wait for the end of this call any longer. Send it again, to another instance.");
    for (const scope of open) scope.cut(stopping);
  };
  return { handle, cutOff };
}
