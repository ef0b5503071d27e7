/** Owns the newest attempts. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import type { ReactNode } from "react";
import type { Attempt } from "#gen/weir/metering/v1/attempt_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { latencyOf, resultOf, targetOf, tokensOf } from "../attempt.ts";
import { moment } from "../format/time.ts";
import { useNames, type Names } from "../names.ts";
import { inputTokens, outputTokens } from "../usage-rows.ts";
import type { Column } from "./data-table.tsx";
import { Mark, Money } from "./marks.tsx";
import { byPage, PagedTable } from "./paged-table.tsx";
import { RequestLink } from "./request-link.tsx";
import { RequestsFrame } from "./requests-frame.tsx";
import { FirstCall } from "./states.tsx";

export function AttemptsList(): ReactNode {
  const names = useNames();
  const query = useInfiniteQuery(MeteringService.method.listAttempts, { pageSize: 100, pageToken: "" }, byPage);
  return (
    <RequestsFrame query={query}>
      <PagedTable
        query={query}
        deed="see usage"
        rowsOf={({ attempts }) => attempts}
        empty={<FirstCall>No call has reached a vendor yet.</FirstCall>}
        caption="Attempts, newest first"
        keyOf={(attempt) => attempt.event?.intent?.attemptId ?? ""}
        columns={columnsOf(names)}
      />
    </RequestsFrame>
  );
}

function columnsOf(names: Names): Column<Attempt>[] {
  return [
    { title: "Started", cell: ({ event }) => <time>{moment(event?.intent?.startTime)}</time> },
    { title: "Request", cell: ({ event }) => <RequestLink id={event?.intent?.requestId ?? ""} /> },
    { title: "Result", cell: (attempt) => <Mark tone={resultOf(attempt).tone}>{attempt.event?.outcome?.errorReason || resultOf(attempt).title}</Mark> },
    { title: "Model", cell: targetOf },
    { title: "Key", cell: ({ event }) => names.key(event?.intent?.attribution?.keyId ?? "") },
    { title: "Tokens in", isNumber: true, cell: (attempt) => tokensOf(attempt, inputTokens) },
    { title: "out", isNumber: true, cell: (attempt) => tokensOf(attempt, outputTokens) },
    { title: "Latency", isNumber: true, cell: latencyOf },
    { title: "Cost", isNumber: true, cell: ({ costNanos }) => <Money nanos={costNanos} /> },
  ];
}
