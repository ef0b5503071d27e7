/** Owns what routing asks of its neighbours. */
import type { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import type { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";

export interface RoutingPeers {
  /** Admission (the pushed view) and the management of tenants, forwarded. */
  readonly policy: ServiceInterface<typeof PolicyService>;
  /** Attempts and the catalogue. */
  readonly providers: ServiceInterface<typeof ProvidersService>;
  /** The price version in force and the reports, forwarded. */
  readonly metering: ServiceInterface<typeof MeteringService>;
}
