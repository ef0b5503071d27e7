/** Owns deadlines of RPC callers that lie so far ahead that timers do not count to them: timers would ring at once. They are none, as `limits.request_timeout` is sooner. */
import type { IncomingHttpHeaders } from "node:http";

const longestTimerMs = 2 ** 31 - 1;

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000 };

export function leaveOutFarDeadlines(headers: IncomingHttpHeaders): void {
  const connectMs = /^\d{1,10}$/.test(String(headers["connect-timeout-ms"])) ? Number(headers["connect-timeout-ms"]) : 0;
  if (connectMs > longestTimerMs) delete headers["connect-timeout-ms"];
  const [, amount, unit] = /^(\d{1,8})([HMS])$/.exec(String(headers["grpc-timeout"])) ?? [];
  if (amount !== undefined && Number(amount) * unitMs[unit!]! > longestTimerMs) delete headers["grpc-timeout"];
}
