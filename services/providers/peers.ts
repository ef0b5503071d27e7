/** Owns what providers asks of its neighbours. */
import type { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";

/** The ledger, to which every attempt's outcome goes, and its register of journals. */
export type MeteringPeer = Pick<ServiceInterface<typeof MeteringService>, "recordUsage" | "reportJournal">;
