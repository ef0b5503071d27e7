/** Owns how calls are recorded in the audit log that metering keeps: within a bounded time, or not at all and said so. */
import { create } from "@bufbuild/protobuf";
import { RecordAuditRequestSchema } from "#gen/weir/metering/v1/audit_pb.ts";
import type { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Logger } from "#platform/logger.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";
import type { AuditTrail } from "./domain/records/audit.ts";

const recordTimeoutMs = 5_000;

export function createAuditTrail(metering: ServiceInterface<typeof MeteringService>, clock: Clock, logger: Logger): AuditTrail {
  return {
    async record(records) {
      const signal = AbortSignal.timeout(recordTimeoutMs);
      const timeUp = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(new GatewayError("DEADLINE_EXCEEDED", `Metering has not recorded the call in ${recordTimeoutMs} ms.`)), { once: true }));
      const context = { identity: { kind: "service" as const, name: "routing" }, requestId: records[0]!.callId, signal, deadlineMs: clock.now() + recordTimeoutMs };
      await Promise.race([metering.recordAudit(create(RecordAuditRequestSchema, { records: [...records] }), context), timeUp]);
    },
    // What an entry would say holds no secret.
    onLost: (records, error) => logger.error({ error, records: records.map(({ organizationId, callId, actor, address, method, outcome }) => ({ organizationId, callId, actor, address, method, outcome })) }, "not in the audit log; this line is all there is of it"),
  };
}
