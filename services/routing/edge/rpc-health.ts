/** Owns grpc.health.v1 on the public port. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status, HealthCheckResponseSchema, type HealthCheckResponse } from "#gen/grpc/health/v1/health_pb.ts";

/** Answers for the whole (the empty name) and for each service; once draining, all are NOT_SERVING. */
export function addHealth(router: ConnectRouter, serviceNames: readonly string[], draining: AbortSignal): void {
  const known = new Set(["", ...serviceNames]);
  const answer = (): HealthCheckResponse => create(HealthCheckResponseSchema, { status: draining.aborted ? Status.NOT_SERVING : Status.SERVING });
  router.service(Health, {
    check: ({ service }) => {
      if (!known.has(service)) throw new ConnectError(`There is no service called "${service}".`, Code.NotFound);
      return answer();
    },
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
  });
}

function fired(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
