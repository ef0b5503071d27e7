/** Owns a peer in another process: its service as an object, each call over gRPC to one of its instances in turn. */
import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import { Client, type CallOptions, type ClientReadableStream, type Metadata, type ServiceError, type StatusObject } from "@grpc/grpc-js";
import { GatewayError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { CallContext, ServiceInterface, UntypedMethod } from "../rpc/service-types.ts";
import { writeCallMetadata } from "./call-metadata.ts";
import { deserializerOf, pathOf, serializerOf } from "./grpc-codec.ts";
import { channelCredentials, type PeerProtection } from "./peer-credentials.ts";
import { PeerConnection } from "./peer-connection.ts";
import { fromGrpcError, notSentByClosed, thrownByPeer, wasNotSent } from "./peer-status.ts";

export interface PeerClientOptions {
  /** The peer's name, which is also the name in its certificate. */
  readonly name: string;
  /** Where its instances are: `dns:///policy:8090`, or `ipv4:10.0.0.1:8090,10.0.0.2:8090`. */
  readonly address: string;
  /** The service that calls. */
  readonly self: string;
  readonly protection: PeerProtection;
  readonly maximumMessageBytes: number;
  /** How long calls wait for a peer that is gone, counted from its going; default 5 s. */
  readonly maximumAbsenceMs?: number;
  readonly logger: Logger;
}

export interface PeerClient<Service extends DescService> {
  readonly peer: ServiceInterface<Service>;
  close(): void;
}

/** A call without a deadline of its own ends after this long, unless it is a stream. */
const unaryTimeoutMs = 30_000;
/** Messages of a stream that wait for a slow reader before the peer is made to wait too. */
const maximumWaitingMessages = 16;

/**
 * Calls fail with what the peer threw, or with DEPENDENCY_UNAVAILABLE when none can be reached or the connection breaks off.
 * Nothing that a peer may have begun is sent again; what none has begun is.
 */
export function createPeerClient<Service extends DescService>(service: Service, options: PeerClientOptions): PeerClient<Service> {
  const { name, address, protection, maximumMessageBytes, maximumAbsenceMs = 5_000, logger } = options;
  const client = new Client(address, channelCredentials(protection, logger), {
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    "grpc.service_config_disable_resolution": 1,
    "grpc.enable_http_proxy": 0,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 500,
    "grpc.dns_min_time_between_resolutions_ms": 1_000,
    "grpc.client_idle_timeout_ms": 2_147_483_647,
    "grpc.max_receive_message_length": maximumMessageBytes,
    "grpc.max_send_message_length": maximumMessageBytes,
    "grpc.use_local_subchannel_pool": 1,
    // A record of each call, for a service that is not offered.
    "grpc.enable_channelz": 0,
    ...(protection.kind === "tls" ? { "grpc.ssl_target_name_override": name } : {}),
  });
  const remote: Remote = { client, connection: new PeerConnection(client, maximumAbsenceMs), ...options };
  const methods = service.methods.map((method) => [method.localName, method.methodKind === "unary" ? unaryMethod(remote, method) : streamMethod(remote, method)]);
  return { peer: Object.fromEntries(methods) as ServiceInterface<Service>, close: () => remote.connection.close() };
}

interface Remote extends PeerClientOptions {
  readonly client: Client;
  readonly connection: PeerConnection;
}

function metadataOf({ self, protection }: Remote, context: CallContext): ReturnType<typeof writeCallMetadata> {
  return writeCallMetadata(self, protection.kind === "shared-secret" ? protection.secret : undefined, context);
}

function unaryMethod(remote: Remote, method: DescMethod): UntypedMethod {
  const path = pathOf(method);
  const serialize = serializerOf(method.input);
  const deserialize = deserializerOf(method.output);
  const send = (request: Message, context: CallContext): Promise<Message> =>
    new Promise((resolve, reject) => {
      const { signal } = context;
      if (signal.aborted) return reject(reasonOf(signal));
      const options: CallOptions = { deadline: context.deadlineMs ?? Date.now() + unaryTimeoutMs };
      const settle = (error: ServiceError | null, response?: Message): void => {
        signal.removeEventListener("abort", cancel);
        if (error === null) resolve(response!);
        else reject(signal.aborted ? reasonOf(signal) : error);
      };
      const call = withoutStack(() => remote.client.makeUnaryRequest(path, serialize, deserialize, request, metadataOf(remote, context), options, settle));
      const cancel = (): void => call.cancel();
      signal.addEventListener("abort", cancel);
    });
  return async (request, context) => {
    const { connection } = remote;
    if (!connection.isReady) await connection.wait(context);
    const firstSentMs = performance.now();
    for (;;) {
      if (connection.isClosed) throw notSentByClosed(remote);
      try {
        return await send(request, context);
      } catch (error) {
        if (error instanceof GatewayError) throw error;
        if (!wasNotSent(error as ServiceError) || !(await connection.mayTryAgain(firstSentMs, context))) throw fromGrpcError(error as ServiceError, remote);
      }
    }
  };
}

function streamMethod(remote: Remote, method: DescMethod): UntypedMethod {
  const path = pathOf(method);
  const serialize = serializerOf(method.input);
  const deserialize = deserializerOf(method.output);
  return (request, context) =>
    new PeerStream(remote, context, () => {
      const options: CallOptions = context.deadlineMs === undefined ? {} : { deadline: context.deadlineMs };
      return withoutStack(() => remote.client.makeServerStreamRequest(path, serialize, deserialize, request, metadataOf(remote, context), options));
    });
}

/** grpc-js notes where each call was made, for errors that are put into other words here: it costs as much as a tenth of the call. */
function withoutStack<Call>(make: () => Call): Call {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

interface Waiter {
  resolve(result: IteratorResult<Message>): void;
  reject(error: unknown): void;
}

/** The call begins with the first `next`; who stops iterating early cancels it. An arriving message resolves the waiting `next` at once. */
class PeerStream implements AsyncIterableIterator<Message> {
  readonly #remote: Remote;
  readonly #context: CallContext;
  readonly #open: () => ClientReadableStream<Message>;
  #hasBegun = false;
  #firstSentMs: number | undefined;
  #call: ClientReadableStream<Message> | undefined;
  readonly #waiting: Message[] = [];
  #waiter: Waiter | undefined;
  #isOver = false;
  #failure: unknown;

  constructor(remote: Remote, context: CallContext, open: () => ClientReadableStream<Message>) {
    this.#remote = remote;
    this.#context = context;
    this.#open = open;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Message>> {
    if (!this.#hasBegun) this.#begin();
    const message = this.#waiting.shift();
    if (message !== undefined) {
      if (this.#call?.isPaused() === true) this.#call.resume();
      return Promise.resolve({ done: false, value: message });
    }
    if (this.#isOver) return this.#last();
    return new Promise((resolve, reject) => (this.#waiter = { resolve, reject }));
  }

  return(): Promise<IteratorResult<Message>> {
    this.#hasBegun = true;
    this.#waiting.length = 0;
    this.#finish(undefined);
    this.#call?.cancel();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** The context's signal fires. */
  handleEvent(): void {
    this.#finish(reasonOf(this.#context.signal));
    this.#call?.cancel();
  }

  #begin(): void {
    this.#hasBegun = true;
    if (this.#context.signal.aborted) return this.#finish(reasonOf(this.#context.signal));
    this.#context.signal.addEventListener("abort", this);
    const { connection } = this.#remote;
    if (connection.isReady) this.#send();
    else void connection.wait(this.#context).then(() => this.#send());
  }

  #send(): void {
    if (this.#isOver) return;
    if (this.#remote.connection.isClosed) return this.#finish(notSentByClosed(this.#remote));
    this.#firstSentMs ??= performance.now();
    const call = this.#open();
    this.#call = call;
    call.on("data", (message: Message) => this.#arrived(message));
    let details: Metadata | undefined;
    call.on("status", ({ metadata }: StatusObject) => (details = metadata));
    call.on("end", () => {
      // A refused call ends, too.
      if (this.#call === call) this.#finish(details === undefined ? undefined : thrownByPeer(details, this.#remote));
    });
    // After the end, too: cancelling a call makes it say so.
    call.on("error", (error: ServiceError) => {
      if (!wasNotSent(error)) return this.#finish(fromGrpcError(error, this.#remote));
      this.#call = undefined;
      void this.#sendAgain(error);
    });
  }

  async #sendAgain(refusal: ServiceError): Promise<void> {
    if (await this.#remote.connection.mayTryAgain(this.#firstSentMs!, this.#context)) this.#send();
    else this.#finish(fromGrpcError(refusal, this.#remote));
  }

  #arrived(message: Message): void {
    if (this.#isOver) return;
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      this.#waiter = undefined;
      return waiter.resolve({ done: false, value: message });
    }
    this.#waiting.push(message);
    if (this.#waiting.length >= maximumWaitingMessages) this.#call!.pause();
  }

  #finish(failure: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#failure = failure;
    this.#context.signal.removeEventListener("abort", this);
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (waiter !== undefined) this.#last().then((result) => waiter.resolve(result), (error: unknown) => waiter.reject(error));
  }

  /** What has come is taken first; then the failure is told once, and after it only the end. */
  #last(): Promise<IteratorResult<Message>> {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(failure as Error);
  }
}

function reasonOf({ reason }: AbortSignal): GatewayError {
  return reason instanceof GatewayError ? reason : new GatewayError("CANCELLED", "The caller went away.");
}
