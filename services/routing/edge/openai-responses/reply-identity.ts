/** Owns the ids of a reply and of its items, the same in a stream as in one piece. */
import { timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import { timeOfId } from "#platform/ids.ts";

export interface ReplyIdentity {
  /** Without a prefix: the ids of the response and of its items begin with their own. */
  readonly id: string;
  readonly model: string;
  /** Seconds since 1970. */
  readonly created: number;
}

/** A vendor's reply without an id has that of Weir's request. */
export function identityOf(reply: { readonly id: string; readonly model: string; readonly createTime?: Timestamp | undefined; readonly requestId: string }): ReplyIdentity {
  const createdMs = reply.createTime === undefined ? (timeOfId(reply.requestId) ?? 0) : timestampMs(reply.createTime);
  return { id: reply.id === "" ? reply.requestId : reply.id, model: reply.model, created: Math.floor(createdMs / 1000) };
}

export function responseId({ id }: ReplyIdentity): string {
  return id.startsWith("resp_") ? id : `resp_${id}`;
}

/** OpenAI's ids say what they are of: `msg_`, `rs_`, `fc_`, `ctc_`, `ig_`. */
export function itemId({ id }: ReplyIdentity, prefix: string, outputIndex: number): string {
  return `${prefix}_${id.replace(/^resp_/, "")}_${outputIndex}`;
}
