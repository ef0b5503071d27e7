/** Owns one request: its attempts in their order, with all that the ledger has of each. */
import { useQuery } from "@connectrpc/connect-query";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { MeteringService, type Attempt } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { MeterSchema, type MeterQuantity } from "#gen/weir/types/v1/usage_pb.ts";
import { resultOf, sourceOf, targetOf } from "../attempt.ts";
import { count, milliseconds } from "../format/number.ts";
import { moment } from "../format/time.ts";
import { useNames, type Names } from "../names.ts";
import { Mark, Money } from "../parts/marks.tsx";
import { Card, Page } from "../parts/page.tsx";
import { Empty, Loaded } from "../parts/states.tsx";

export function RequestPage({ requestId }: { readonly requestId: string }): ReactNode {
  const names = useNames();
  const query = useQuery(MeteringService.method.listAttempts, { requestId, pageSize: 100 });
  return (
    <Page title="Request" actions={<Link href="/requests">All requests</Link>}>
      <p className="id">{requestId}</p>
      <Loaded query={query} deed="see usage">
        {({ attempts }) =>
          attempts.length === 0 ? (
            <Empty>The ledger has no attempt of this request. It was refused before a vendor was asked, or its end is a few seconds ago; replies tell their request in the header x-request-id.</Empty>
          ) : (
            attempts.toReversed().map((attempt, index) => <AttemptCard key={attempt.event?.intent?.attemptId} attempt={attempt} number={index + 1} names={names} />)
          )
        }
      </Loaded>
    </Page>
  );
}

function AttemptCard({ attempt, number, names }: { readonly attempt: Attempt; readonly number: number; readonly names: Names }): ReactNode {
  const { intent, outcome } = attempt.event ?? {};
  const { attribution } = intent ?? {};
  const labels = Object.entries(attribution?.labels ?? {});
  const facts: readonly (readonly [string, ReactNode])[] = [
    ["Started", moment(intent?.startTime)],
    ["Latency", `${milliseconds(outcome?.durationMs ?? 0n)}${outcome?.firstByteMs === undefined ? "" : `, first byte after ${milliseconds(outcome.firstByteMs)}`}`],
    ["Cost", <Money nanos={attempt.costNanos} />],
    ...(attempt.chargeNanos === attempt.costNanos ? [] : [["Charge", <Money nanos={attempt.chargeNanos} />] as const]),
    ["Consumed", outcome?.usage === undefined ? "not reported" : outcome.usage.quantities.map(({ meter, quantity }) => `${count(quantity)} ${meterName(meter)}`).join(", ") || "nothing"],
    ["Figures", sourceOf(attempt)],
    ["Route", intent?.route],
    ["Vendor", intent?.vendor],
    ["Operation", `${intent?.operation ?? ""}${intent?.stream ? ", streamed" : ""}`],
    ["Served by", outcome?.servedModel],
    ["Service tier", outcome?.serviceTier],
    ["HTTP status", outcome?.httpStatus === 0 ? "" : outcome?.httpStatus],
    ["Error", outcome?.errorReason],
    ["Ended by", outcome?.finishReason],
    ["Key", names.key(attribution?.keyId ?? "")],
    ["Team", names.team(attribution?.teamId ?? "")],
    ["Organization", names.organization(attribution?.organizationId ?? "")],
    ["Labels", labels.map(([name, value]) => `${name}=${value}`).join(", ")],
    ["Price book", <span className="id">{attempt.reratedVersion || intent?.priceVersion}</span>],
    ["Attempt", <span className="id">{intent?.attemptId}</span>],
    ["Vendor's request", outcome?.upstreamRequestId],
  ];
  return (
    <Card title={`${number}. ${targetOf(attempt)}`} actions={<Mark tone={resultOf(attempt).tone}>{resultOf(attempt).title}</Mark>}>
      <dl className="facts">
        {facts.filter(([, value]) => value !== undefined && value !== "").map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

function meterName(meter: MeterQuantity["meter"]): string {
  return (MeterSchema.values.find(({ number }) => number === meter)?.name ?? "METER_UNKNOWN").replace("METER_", "").replaceAll("_", " ").toLowerCase();
}
