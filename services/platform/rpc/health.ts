/** Owns grpc.health.v1: whether this process serves, as a whole (the empty name) and for each of its services. */
import { create } from "@bufbuild/protobuf";
import { HealthCheckResponse_ServingStatus as Status, HealthCheckResponseSchema, HealthListResponseSchema, type HealthCheckRequest, type HealthCheckResponse, type HealthListResponse } from "#gen/grpc/health/v1/health_pb.ts";
import { GatewayError } from "../errors.ts";

export interface HealthService {
  /** Throws NOT_FOUND for a service that this process does not have. */
  check(request: HealthCheckRequest): Promise<HealthCheckResponse>;
  /** The status of each, by name. */
  list(): Promise<HealthListResponse>;
  /** The status now and after each change, until the signal fires. */
  watch(request: HealthCheckRequest, context: { readonly signal: AbortSignal }): AsyncIterable<HealthCheckResponse>;
}

/** Once draining, all are NOT_SERVING. */
export function createHealthService(serviceNames: readonly string[], draining: AbortSignal): HealthService {
  const known = new Set(["", ...serviceNames]);
  const answer = (): HealthCheckResponse => create(HealthCheckResponseSchema, { status: draining.aborted ? Status.NOT_SERVING : Status.SERVING });
  return {
    async check({ service }) {
      if (!known.has(service)) throw new GatewayError("NOT_FOUND", `There is no service called "${service}".`);
      return answer();
    },
    list: () => Promise.resolve(create(HealthListResponseSchema, { statuses: Object.fromEntries([...known].map((name) => [name, answer()])) })),
    async *watch({ service }, { signal }) {
      if (!known.has(service)) {
        yield create(HealthCheckResponseSchema, { status: Status.SERVICE_UNKNOWN });
        await fired(signal);
        return;
      }
      yield answer();
      await Promise.race([fired(draining), fired(signal)]);
      if (!signal.aborted) yield answer();
    },
  };
}

function fired(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
