/** Owns the way to the ledger without a broker: a call to metering as a peer, in this process or another. */
import { create } from "@bufbuild/protobuf";
import { RecordUsageRequestSchema } from "#gen/weir/metering/v1/metering_service_pb.ts";
import type { UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { EventTransport } from "#platform/event-log/event-transport.ts";
import type { MeteringPeer } from "./peers.ts";

export function createPeerTransport(metering: MeteringPeer): EventTransport<UsageEvent> {
  return {
    async deliver(events, signal) {
      const context = { identity: { kind: "service", name: "providers" }, requestId: "", signal } as const;
      const request = create(RecordUsageRequestSchema, { events: events.map(({ event }) => event) });
      const { confirmedAttemptIds, rejected } = await metering.recordUsage(request, context);
      return { confirmedIds: confirmedAttemptIds, rejectedIds: rejected.map(({ attemptId }) => attemptId) };
    },
  };
}
