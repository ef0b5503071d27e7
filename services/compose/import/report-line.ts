/** Owns what every format of a vendor's report is read into. */
import type { Meter } from "#gen/weir/types/v1/usage_pb.ts";

/** A line before it has an id: what tells it from others, and its figures. */
export interface ReportLine {
  /** Values that stay when the report comes again with other figures. */
  readonly identity: readonly (string | number | boolean | null)[];
  readonly upstreamRequestId?: string;
  readonly model: string;
  readonly startMs: number;
  readonly endMs?: number;
  readonly quantities?: readonly (readonly [Meter, bigint])[];
  readonly costNanos?: bigint;
}
