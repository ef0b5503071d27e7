/** Owns small things in lines: a state with its colour, money with its digits, a moment with its distance. */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { ReactNode } from "react";
import type { Tone } from "../attempt.ts";
import { dollars, exactDollars } from "../format/money.ts";
import { distance, moment } from "../format/time.ts";
import { useNow } from "../now.ts";

export function Mark({ tone, children }: { readonly tone: Tone; readonly children: ReactNode }): ReactNode {
  return <span className={`mark-${tone}`}>{children}</span>;
}

/** What is not known differs from nothing. */
export function Money({ nanos }: { readonly nanos: bigint | undefined }): ReactNode {
  return nanos === undefined ? <span className="quiet">not known</span> : <span title={exactDollars(nanos)}>{dollars(nanos)}</span>;
}

export function Ago({ time, otherwise = "–" }: { readonly time: Timestamp | undefined; readonly otherwise?: string }): ReactNode {
  const nowMs = useNow();
  return time === undefined ? <span className="quiet">{otherwise}</span> : <time title={moment(time)}>{distance(time, nowMs)}</time>;
}
