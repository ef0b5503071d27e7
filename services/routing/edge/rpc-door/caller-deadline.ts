/** Owns the deadlines that RPC callers give. One so far ahead that timers do not count to it is none, as `limits.request_timeout` is sooner: timers would ring at once. */
import type { IncomingHttpHeaders } from "node:http";

const longestTimerMs = 2 ** 31 - 1;

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 0.001, n: 0.000_001 };

/** Undefined where there is none. What is no deadline is left in the headers, for Connect to refuse; one that is too far ahead is not. */
export function takeDeadline(headers: IncomingHttpHeaders): number | undefined {
  const connectMs = /^\d{1,10}$/.exec(String(headers["connect-timeout-ms"]))?.[0];
  const [, amount, unit] = /^(\d{1,8})([HMSmun])$/.exec(String(headers["grpc-timeout"])) ?? [];
  const timeoutMs = connectMs !== undefined ? Number(connectMs) : amount === undefined ? undefined : Number(amount) * unitMs[unit!]!;
  if (timeoutMs === undefined || timeoutMs <= longestTimerMs) return timeoutMs;
  delete headers["connect-timeout-ms"];
  delete headers["grpc-timeout"];
  return undefined;
}
