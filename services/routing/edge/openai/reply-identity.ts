/** Owns what every reply and chunk says about itself: id, model and time of creation, the same throughout a stream. */
import { timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import { timeOfId } from "#platform/ids.ts";

export interface ReplyIdentity {
  readonly id: string;
  readonly model: string;
  /** Seconds since 1970. */
  readonly created: number;
}

/** OpenAI's ids begin with `chatcmpl-` or `cmpl-`; other ids get the prefix, and a reply without an id has that of Weir's request. */
export function identityOf(reply: { readonly id: string; readonly model: string; readonly createTime?: Timestamp | undefined; readonly requestId: string }, prefix = "chatcmpl-"): ReplyIdentity {
  const id = reply.id === "" ? reply.requestId : reply.id;
  return { id: id.startsWith(prefix) ? id : `${prefix}${id}`, model: reply.model, created: createdOf(reply) };
}

/** The vendor's time, else that of Weir's request. */
export function createdOf({ createTime, requestId }: { readonly createTime?: Timestamp | undefined; readonly requestId: string }): number {
  const createdMs = createTime === undefined ? (timeOfId(requestId) ?? 0) : timestampMs(createTime);
  return Math.floor(createdMs / 1000);
}
