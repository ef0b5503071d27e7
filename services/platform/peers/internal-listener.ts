/** Owns the internal port: the services of this process over gRPC, for other Weir services alone. */
import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import { Server, type sendUnaryData, type ServerCredentials, type ServerUnaryCall, type ServerWritableStream, type UntypedHandleCall } from "@grpc/grpc-js";
import { GatewayError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { CallContext, UntypedMethod, UntypedService } from "../rpc/service-types.ts";
import { checkSharedSecret, claimedService, readCallMetadata } from "./call-metadata.ts";
import { deserializerOf, pathOf, serializerOf } from "./grpc-codec.ts";
import { serverCredentials, type PeerProtection } from "./peer-credentials.ts";
import { toGrpcStatus } from "./peer-status.ts";

/** A service of this process, and who of the others may call it. */
export interface OfferedService {
  readonly descriptor: DescService;
  readonly owner: UntypedService;
  /** The names of the services that may call it; undefined for anyone, such as a health check. */
  readonly callers: readonly string[] | undefined;
}

export interface InternalListenerOptions {
  readonly address: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly services: readonly OfferedService[];
  readonly protection: PeerProtection;
  readonly maximumMessageBytes: number;
  /**
   * How old a connection from a peer may get. Then it is told to make a new one, and looks up the addresses again:
   * so calls spread over instances that have come since. Default 10 s.
   */
  readonly maximumConnectionAgeMs?: number;
  readonly logger: Logger;
}

export interface InternalListener {
  readonly address: string;
  readonly port: number;
  /** Takes no new connections, tells peers to go elsewhere, lets calls finish up to the bound, then breaks off the rest. */
  close(drainMs: number): Promise<void>;
}

/** A caller's own clock may ring this much before the deadline that it gave; its leaving is then no change of mind. */
const deadlineToleranceMs = 50;
/** How long calls that are broken off have to tell their callers so. */
const farewellMs = 100;

/** Binds the port. Throws INVALID_REQUEST with what to do when it is taken, or the certificates cannot be used. */
export async function listenInternally({ address, port, services, protection, maximumMessageBytes, maximumConnectionAgeMs = 10_000, logger }: InternalListenerOptions): Promise<InternalListener> {
  const server = new Server({
    "grpc.max_receive_message_length": maximumMessageBytes,
    "grpc.max_send_message_length": maximumMessageBytes,
    "grpc.max_concurrent_streams": 10_000,
    "grpc.max_connection_age_ms": maximumConnectionAgeMs,
  });
  const running = new Set<RunningCall>();
  for (const service of services) addService(server, service, { protection, running });
  const host = address.includes(":") ? `[${address}]` : address;
  const boundPort = await bind(server, `${host}:${port}`, serverCredentials(protection, logger));
  return { address, port: boundPort, close: (drainMs) => close(server, running, drainMs) };
}

function bind(server: Server, target: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(target, credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(new GatewayError("INVALID_REQUEST", `The internal port cannot listen on ${target}: ${error.message} Set internal.port in weir.yaml, or start with --internal-port.`, { cause: error }));
    });
  });
}

async function close(server: Server, running: ReadonlySet<RunningCall>, drainMs: number): Promise<void> {
  const stop = (call: RunningCall): void => call.controller.abort(new GatewayError("SHUTTING_DOWN", "The service stops. Call another instance of it."));
  for (const call of running) {
    if (call.isWatch) stop(call);
  }
  await new Promise<void>((resolve) => {
    const bound = setTimeout(() => {
      for (const call of running) stop(call);
      setTimeout(() => {
        server.forceShutdown();
        // tryShutdown does not hear of every connection that is broken off.
        resolve();
      }, farewellMs);
    }, drainMs);
    server.tryShutdown(() => {
      clearTimeout(bound);
      resolve();
    });
  });
}

interface RunningCall {
  readonly controller: AbortController;
  /** It has no deadline: it would go on for ever, so a stop ends it at once. */
  readonly isWatch: boolean;
}

interface Port {
  readonly protection: PeerProtection;
  readonly running: Set<RunningCall>;
}

type UnaryCall = ServerUnaryCall<Message, Message>;
type StreamCall = ServerWritableStream<Message, Message>;

function addService(server: Server, { descriptor, owner, callers }: OfferedService, port: Port): void {
  const offered = descriptor.methods.filter((method) => owner[method.localName] !== undefined);
  const definitions = offered.map((method) => [
    method.localName,
    {
      path: pathOf(method),
      requestStream: false,
      responseStream: method.methodKind === "server_streaming",
      requestSerialize: serializerOf(method.input),
      requestDeserialize: deserializerOf(method.input),
      responseSerialize: serializerOf(method.output),
      responseDeserialize: deserializerOf(method.output),
    },
  ]);
  const handlers = offered.map((method) => {
    const admit = admissionOf(method, callers, port);
    const call = owner[method.localName]!;
    return [method.localName, method.methodKind === "unary" ? unaryHandler(call, admit) : streamHandler(call, admit)];
  });
  server.addService(Object.fromEntries(definitions), Object.fromEntries(handlers) as Record<string, UntypedHandleCall>);
}

/** A call that was let in. */
interface Admitted {
  readonly context: CallContext;
  /** The owner has done its part: the signal will not fire any more. */
  readonly end: () => void;
}

type Admission = (call: UnaryCall | StreamCall) => Admitted;

/** Who calls. Throws PEER_REFUSED for one that is not a peer, or not one that needs this service. */
function admissionOf(method: DescMethod, callers: readonly string[] | undefined, { protection, running }: Port): Admission {
  return (call) => {
    const peerName = callers === undefined ? "" : peerNameOf(call, protection);
    if (callers?.includes(peerName) === false) {
      throw new GatewayError("PEER_REFUSED", `${method.parent.typeName} is for ${callers.join(" and ")}; this peer proved to be "${peerName.slice(0, 100)}".`);
    }
    const { identity, requestId, trace } = readCallMetadata(call.metadata, peerName);
    const controller = new AbortController();
    const deadlineMs = deadlineOf(call);
    const runningCall = { controller, isWatch: deadlineMs === Infinity };
    running.add(runningCall);
    const cancel = (): void => {
      const isTimeUp = deadlineMs - deadlineToleranceMs <= Date.now();
      controller.abort(isTimeUp ? new GatewayError("DEADLINE_EXCEEDED", "The call's time is up.") : new GatewayError("CANCELLED", "The caller went away."));
    };
    const end = (): void => {
      call.removeListener("cancelled", cancel);
      running.delete(runningCall);
    };
    // The event comes after each call, those that went well too.
    call.once("cancelled", cancel);
    // Of a call whose time was up before it could begin, no event tells.
    if (deadlineMs <= Date.now()) cancel();
    return { context: { identity, requestId, trace, signal: controller.signal, ...(runningCall.isWatch ? {} : { deadlineMs }) }, end };
  };
}

function deadlineOf(call: UnaryCall | StreamCall): number {
  const deadline = call.getDeadline();
  return deadline instanceof Date ? deadline.getTime() : deadline;
}

/** A certificate may carry several services' names, for a process that runs several; which one calls, the call says. */
function peerNameOf(call: UnaryCall | StreamCall, protection: PeerProtection): string {
  const claimed = claimedService(call.metadata);
  if (protection.kind === "shared-secret") {
    checkSharedSecret(call.metadata, protection.secret);
    return claimed;
  }
  const names = call.getAuthContext().sslPeerCertificate?.subjectaltname?.split(", ") ?? [];
  if (names.includes(`DNS:${claimed}`)) return claimed;
  throw new GatewayError("PEER_REFUSED", `The peer says it is "${claimed.slice(0, 100)}", but its certificate has no such DNS name: ${names.join(", ").slice(0, 500) || "it has none"}.`);
}

function unaryHandler(method: UntypedMethod, admit: Admission) {
  return (call: UnaryCall, answer: sendUnaryData<Message>): void => {
    void answerUnary(method, admit, call).then(
      (response) => answer(null, response),
      (thrown: unknown) => answer(toGrpcStatus(thrown)),
    );
  };
}

async function answerUnary(method: UntypedMethod, admit: Admission, call: UnaryCall): Promise<Message> {
  const { context, end } = admit(call);
  try {
    return await (method(call.request, context) as Promise<Message>);
  } finally {
    end();
  }
}

function streamHandler(method: UntypedMethod, admit: Admission) {
  return (call: StreamCall): void => {
    const progress = { hasBegun: false };
    void answerStream(method, admit, call, progress).then(
      () => call.end(),
      (thrown: unknown) => {
        const status = toGrpcStatus(thrown);
        // grpc-js drops the messages that wait to be read when a status other than OK comes; the details in the trailers tell of the error.
        if (progress.hasBegun) call.end(status.metadata);
        else call.emit("error", status);
      },
    );
  };
}

async function answerStream(method: UntypedMethod, admit: Admission, call: StreamCall, progress: { hasBegun: boolean }): Promise<void> {
  const { context, end } = admit(call);
  try {
    for await (const message of method(call.request, context) as AsyncIterable<Message>) {
      if (context.signal.aborted) return;
      progress.hasBegun = true;
      if (!call.write(message)) await drained(call, context.signal);
    }
  } finally {
    end();
  }
}

function drained(call: StreamCall, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      call.removeListener("drain", settle);
      signal.removeEventListener("abort", settle);
      resolve();
    };
    call.once("drain", settle);
    signal.addEventListener("abort", settle);
  });
}
