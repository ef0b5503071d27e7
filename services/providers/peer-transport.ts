/** Owns the ways to metering without a broker: a call to metering as a peer, in this process or another. */
import { create } from "@bufbuild/protobuf";
import { RecordUsageRequestSchema } from "#gen/weir/metering/v1/usage_recording_pb.ts";
import type { UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { EventTransport } from "#platform/event-log/event-transport.ts";
import type { JournalRegistry } from "#platform/event-log/journal-registry.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { MeteringPeer } from "./peers.ts";

export function createPeerTransport(metering: Pick<MeteringPeer, "recordUsage">): EventTransport<UsageEvent> {
  return {
    async deliver(events, signal) {
      const request = create(RecordUsageRequestSchema, { events: events.map(({ event }) => event) });
      const { confirmedAttemptIds, rejected } = await metering.recordUsage(request, contextOf(signal));
      return { confirmedIds: confirmedAttemptIds, rejectedIds: rejected.map(({ attemptId }) => attemptId) };
    },
  };
}

export function createPeerRegistry(metering: Pick<MeteringPeer, "reportJournal">): JournalRegistry {
  return { report: (request, signal) => metering.reportJournal(request, contextOf(signal)) };
}

function contextOf(signal: AbortSignal): CallContext {
  return { identity: { kind: "service", name: "providers" }, requestId: "", signal };
}
