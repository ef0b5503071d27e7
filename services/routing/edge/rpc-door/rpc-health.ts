/** Owns grpc.health.v1 on the public port. */
import type { ConnectRouter } from "@connectrpc/connect";
import { Health } from "#gen/grpc/health/v1/health_pb.ts";
import { toConnectError, toGatewayError } from "#platform/errors.ts";
import { createHealthService } from "#platform/rpc/health.ts";

export function addHealth(router: ConnectRouter, serviceNames: readonly string[], draining: AbortSignal): void {
  const health = createHealthService(serviceNames, draining);
  router.service(Health, {
    check: (request) =>
      health.check(request).catch((error: unknown) => {
        throw toConnectError(toGatewayError(error));
      }),
    list: () => health.list(),
    watch: (request, { signal }) => health.watch(request, { signal }),
  });
}
