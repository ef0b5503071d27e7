/** Owns what a reply cost: the sum of its attempts in the ledger, where they stand a moment after their end. */
import { useQuery } from "@connectrpc/connect-query";
import type { ReactNode } from "react";
import type { Attempt } from "#gen/weir/metering/v1/attempt_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { targetOf } from "../attempt.ts";
import type { Reply } from "../reply.ts";
import { Money } from "./marks.tsx";

const lookEveryMs = 1_000;
const mostLooks = 10;

export function ReplyCost({ reply }: { readonly reply: Reply }): ReactNode {
  const isKept = reply.cacheState === "hit" || reply.cacheState === "similar";
  const { data, error } = useQuery(
    MeteringService.method.listAttempts,
    { requestId: reply.requestId, pageSize: 100 },
    {
      enabled: !isKept,
      staleTime: ({ state }) => (isBooked(state.data?.attempts, reply) ? Infinity : 0),
      refetchInterval: ({ state }) => (isBooked(state.data?.attempts, reply) || state.dataUpdateCount + state.errorUpdateCount >= mostLooks ? false : lookEveryMs),
    },
  );
  if (isKept) return "none: it is a kept reply";
  if (error !== null) return <span className="quiet">the ledger does not answer</span>;
  const attempts = data?.attempts ?? [];
  if (attempts.length === 0) return <span className="quiet">{reply.target === "" ? "no attempt in the ledger" : "not in the ledger yet"}</span>;
  return (
    <>
      <Money nanos={sumOf(attempts)} />
      {attempts.length > 1 && `, in ${attempts.length} attempts`}
    </>
  );
}

/** Whether the ledger has the attempt that answered; of a call that nobody answered, any. */
function isBooked(attempts: readonly Attempt[] = [], { target }: Reply): boolean {
  return attempts.some((attempt) => target === "" || targetOf(attempt) === target);
}

/** Undefined where one of them has no price. */
function sumOf(attempts: readonly Attempt[]): bigint | undefined {
  return attempts.reduce<bigint | undefined>((sum, { costNanos }) => (sum === undefined || costNanos === undefined ? undefined : sum + costNanos), 0n);
}
