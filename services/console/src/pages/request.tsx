/** Owns one request: what became of it, and its attempts in their order, with all that the ledger has of each. */
import { useQuery } from "@connectrpc/connect-query";
import type { ReactNode } from "react";
import { Link } from "wouter";
import type { Attempt } from "#gen/weir/metering/v1/attempt_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { MeterSchema, type MeterQuantity } from "#gen/weir/types/v1/usage_pb.ts";
import { latencyOf, resultOf, sourceOf, targetOf } from "../attempt.ts";
import { count, milliseconds } from "../format/number.ts";
import { moment } from "../format/time.ts";
import { useNames, type Names } from "../names.ts";
import { Fact } from "../parts/fact.tsx";
import { Mark, Money } from "../parts/marks.tsx";
import { Card, Page } from "../parts/page.tsx";
import { RecordCard } from "../parts/record-card.tsx";
import { Empty, Loaded } from "../parts/states.tsx";

/** Whoever comes here from a call that has just ended may have looked for its attempts before they were there. */
const habits = { staleTime: 0 };

export function RequestPage({ requestId }: { readonly requestId: string }): ReactNode {
  const names = useNames();
  const record = useQuery(MeteringService.method.listRequests, { requestId, pageSize: 1 }, habits);
  const query = useQuery(MeteringService.method.listAttempts, { requestId, pageSize: 100 }, habits);
  const [recorded] = record.data?.records ?? [];
  return (
    <Page title="Request" actions={<Link href="/requests">All requests</Link>}>
      <p className="id">{requestId}</p>
      <Loaded query={record} deed="see usage">{() => recorded !== undefined && <RecordCard record={recorded} names={names} />}</Loaded>
      <Loaded query={query} deed="see usage">
        {({ attempts }) =>
          attempts.length === 0 ? (
            <Empty>{recorded === undefined ? "Nothing is known of this request: its end is a few seconds ago, or longer than such records are kept, or it came without a key that is known. Replies tell their request in the header x-request-id." : "No vendor was asked: there is no attempt."}</Empty>
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
  return (
    <Card title={`${number}. ${targetOf(attempt)}`} actions={<Mark tone={resultOf(attempt).tone}>{resultOf(attempt).title}</Mark>}>
      <dl className="facts">
        <Fact name="Started">{moment(intent?.startTime)}</Fact>
        <Fact name="Latency">{`${latencyOf(attempt)}${outcome?.firstByteMs === undefined ? "" : `, first byte after ${milliseconds(outcome.firstByteMs)}`}`}</Fact>
        <Fact name="Cost"><Money nanos={attempt.costNanos} /></Fact>
        <Fact name="Charge">{attempt.chargeNanos !== attempt.costNanos && <Money nanos={attempt.chargeNanos} />}</Fact>
        <Fact name="Consumed">{consumedBy(attempt)}</Fact>
        <Fact name="Figures">{sourceOf(attempt)}</Fact>
        <Fact name="Route">{intent?.route}</Fact>
        <Fact name="Vendor">{intent?.vendor}</Fact>
        <Fact name="Operation">{`${intent?.operation ?? ""}${intent?.stream ? ", streamed" : ""}`}</Fact>
        <Fact name="Served by">{outcome?.servedModel}</Fact>
        <Fact name="Service tier">{outcome?.serviceTier}</Fact>
        <Fact name="HTTP status">{outcome?.httpStatus !== 0 && outcome?.httpStatus}</Fact>
        <Fact name="Error">{outcome?.errorReason}</Fact>
        <Fact name="Ended by">{outcome?.finishReason}</Fact>
        <Fact name="Key">{names.key(attribution?.keyId ?? "")}</Fact>
        <Fact name="Team">{names.team(attribution?.teamId ?? "")}</Fact>
        <Fact name="Organization">{names.organization(attribution?.organizationId ?? "")}</Fact>
        <Fact name="Labels">{labels.map(([name, value]) => `${name}=${value}`).join(", ")}</Fact>
        <Fact name="Price book"><span className="id">{attempt.reratedVersion || intent?.priceVersion}</span></Fact>
        <Fact name="Attempt"><span className="id">{intent?.attemptId}</span></Fact>
        <Fact name="Vendor's id">{outcome?.upstreamRequestId}</Fact>
      </dl>
    </Card>
  );
}

function consumedBy({ event }: Attempt): string {
  const usage = event?.outcome?.usage;
  if (usage === undefined) return "not reported";
  return usage.quantities.map(({ meter, quantity }) => `${count(quantity)} ${meterName(meter)}`).join(", ") || "nothing";
}

function meterName(meter: MeterQuantity["meter"]): string {
  return (MeterSchema.values.find(({ number }) => number === meter)?.name ?? "METER_UNKNOWN").replace("METER_", "").replaceAll("_", " ").toLowerCase();
}
