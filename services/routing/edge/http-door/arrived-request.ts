/** Owns a request of a dialect once its caller is let in: what is read of it alike for every endpoint, and its call through the pipeline. */
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import type { HttpRequest, HttpResponse } from "#platform/http/listener.ts";
import type { RoutingConfig } from "../../config.ts";
import type { FileIds } from "../../domain/account/file-ids.ts";
import type { AskedCall } from "../../domain/asked-call.ts";
import type { Native } from "../../domain/asked-forms.ts";
import type { ByteRoom } from "../../domain/byte-room.ts";
import type { Call, Reply } from "../../domain/call.ts";
import type { Dialect, RequestTarget } from "../../domain/dialect.ts";
import type { EndpointIndex } from "../../domain/endpoint-index.ts";
import { runCall, type PipelineDependencies } from "../../domain/pipeline.ts";
import { recordCall } from "../../domain/records/record-call.ts";
import type { Admit } from "../admission.ts";
import type { ContentKeeper, ContentRecording } from "../content-recording.ts";
import { readBody } from "../read-body.ts";
import type { RequestScope } from "../request-scope.ts";
import { readLabels } from "./labels.ts";
import { readStrictness } from "./strictness.ts";

export interface HttpDoorDependencies {
  readonly dialects: readonly Dialect[];
  readonly endpoints: EndpointIndex;
  readonly admit: Admit;
  readonly pipeline: PipelineDependencies;
  readonly config: () => RoutingConfig;
  readonly fileIds: (organizationId: string) => FileIds;
  readonly byteRoom: ByteRoom;
  /** Stands in for the models' own times of creation, which vendors do not all tell. */
  readonly startTimeMs: number;
  readonly contents: ContentKeeper;
}

/** A request as far as it is understood. */
export interface Arrived {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly scope: RequestScope;
  readonly grant: Grant;
  readonly dependencies: HttpDoorDependencies;
  readonly target: RequestTarget;
  /** Undefined where nothing of the call is kept. */
  readonly recording: ContentRecording | undefined;
}

export function strictnessOf({ request }: Arrived): boolean {
  return readStrictness(request.headers["x-weir-strict"]);
}

/** Held to the end of the request, because the next target may need it. */
export async function bodyOf({ request, scope, dependencies, recording }: Arrived): Promise<Buffer> {
  const body = await readBody(request, { maximumBytes: dependencies.config().maximumBodyBytes, setIn: "limits.max_body_bytes", signal: scope.signal, count: dependencies.byteRoom.countFor(scope) });
  recording?.addRequest(body);
  return body;
}

export function nativeOf(dialect: Dialect, request: HttpRequest, body: Buffer): Native {
  return { dialect: dialect.name, body, headers: ownHeaders(dialect, request) };
}

/** Those that belong to the request as much as its body does. */
export function ownHeaders({ requestHeaders }: Dialect, { headers }: HttpRequest): Record<string, string> {
  const own = requestHeaders.filter((header) => headers[header] !== undefined).map((header) => [header, String(headers[header])]);
  return Object.fromEntries(own) as Record<string, string>;
}

export async function runArrived({ request, scope, grant, dependencies }: Arrived, asked: AskedCall): Promise<Reply> {
  const call: Call = { ...asked, requestId: scope.requestId, grant, labels: readLabels(request.headers["x-weir-labels"]), signal: scope.signal, deadlineMs: scope.deadlineMs, cacheControl: request.headers["cache-control"] ?? "", span: scope.span, notes: scope.notes };
  recordCall(call);
  return runCall(call, dependencies.pipeline);
}
