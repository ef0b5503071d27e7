/** Owns what policy asks of its neighbours. */
import type { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";

export interface PolicyPeers {
  /** What was posted for attempts under leases, and what of them stands. */
  readonly metering: Pick<ServiceInterface<typeof MeteringService>, "takeLeasePostings" | "sumLeases">;
}
