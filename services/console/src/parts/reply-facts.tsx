/** Owns what Weir knows of a reply: who gave it, what it consumed and cost, how long it took, and what is not as it was asked. */
import type { ReactNode } from "react";
import type { Reply } from "../reply.ts";
import { timesOf, tokensOf, whatCacheDid, whoAnswered, whyEnded } from "../reply-words.ts";
import { may, useSession } from "../session.ts";
import { Fact } from "./fact.tsx";
import { ReplyCost } from "./reply-cost.tsx";
import { RequestLink } from "./request-link.tsx";

export function ReplyFacts({ reply }: { readonly reply: Reply }): ReactNode {
  const { requestId, warnings, ending } = reply;
  const session = useSession();
  const isCostTold = ending !== undefined && requestId !== "" && may(session, "USAGE_READ");
  return (
    <dl className="facts">
      <Fact name="Request">{requestId !== "" && <RequestLink id={requestId} />}</Fact>
      <Fact name="Answered by">{whoAnswered(reply)}</Fact>
      <Fact name="Ended by">{whyEnded(reply)}</Fact>
      <Fact name="Tokens">{tokensOf(reply)}</Fact>
      <Fact name="Cost">{isCostTold && <ReplyCost reply={reply} />}</Fact>
      <Fact name="Time">{timesOf(reply)}</Fact>
      <Fact name="Cache">{whatCacheDid(reply)}</Fact>
      <Fact name="Warnings">{warnings.map(({ field, message }) => `${field}: ${message}`).join("; ")}</Fact>
    </dl>
  );
}
