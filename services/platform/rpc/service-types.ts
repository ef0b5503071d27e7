/** Owns the plain typed interface of a service, derived from its descriptor: what an owner implements is what a peer calls. */
import type { Message, DescMethodServerStreaming, DescMethodUnary, DescService, MessageShape } from "@bufbuild/protobuf";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import type { Span, TraceContext } from "../tracing/span.ts";

/** Who calls: another Weir service, or a caller with the grant by which it was admitted. */
export type Identity =
  | { readonly kind: "service"; readonly name: string }
  | { readonly kind: "caller"; readonly grant: Grant };

/** What travels with every call between services. */
export interface CallContext {
  readonly identity: Identity;
  /** The request this call is part of, `req_…`. */
  readonly requestId: string;
  /** Fires when the caller went away or its deadline passed; everything done for the call must stop then. */
  readonly signal: AbortSignal;
  /** When the signal fires at the latest, in milliseconds since 1970; absent where nothing bounds the call. */
  readonly deadlineMs?: number;
  /** The span that this call is part of; absent where nothing is recorded. */
  readonly trace?: TraceContext | undefined;
  /** What the caller's transport says beside the message, and what is to be said beside the reply; absent between services. */
  readonly headers?: { readonly request: Headers; readonly response: Headers };
  /** The caller's request itself, where it is recorded, for its parts to be told of; absent between services. */
  readonly span?: Span | undefined;
}

/** A service as an object: one function per method, messages in, messages out; messages are read-only. */
export type ServiceInterface<Service extends DescService> = {
  readonly [Method in keyof Service["method"]]: Service["method"][Method] extends DescMethodUnary<infer Input, infer Output>
    ? (request: MessageShape<Input>, context: CallContext) => Promise<MessageShape<Output>>
    : Service["method"][Method] extends DescMethodServerStreaming<infer Input, infer Output>
      ? (request: MessageShape<Input>, context: CallContext) => AsyncIterable<MessageShape<Output>>
      : never;
};

/** A service's method when only its descriptor is known: a promise for unary methods, an async iterable for streams. */
export type UntypedMethod = (request: Message, context: CallContext) => Promise<Message> | AsyncIterable<Message>;

/** The functions of a service by their names in its interface (`DescMethod.localName`). */
export type UntypedService = Readonly<Record<string, UntypedMethod>>;

export function asUntyped<Service extends DescService>(service: ServiceInterface<Service>): UntypedService {
  return service as unknown as UntypedService;
}
