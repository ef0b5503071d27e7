/** Owns how the parts of a reply are shown: as text, whatever is written in them, with reasoning folded away. */
import type { ReactNode } from "react";
import { mostReplyCharacters, type Reply, type ReplyPart } from "../reply.ts";
import { count } from "../format/number.ts";

export function ReplyParts({ reply }: { readonly reply: Reply }): ReactNode {
  return (
    <>
      {reply.parts.map((part) => <Shown key={part.index} part={part} />)}
      {reply.isCut && <p className="quiet">There was more. This page holds {count(mostReplyCharacters)} characters of a reply.</p>}
    </>
  );
}

function Shown({ part: { kind, name, text } }: { readonly part: ReplyPart }): ReactNode {
  switch (kind) {
    case "text":
      return <p className="said">{text}</p>;
    case "refusal":
      return (
        <p className="said">
          <strong>Refused: </strong>
          {text}
        </p>
      );
    case "reasoning":
      return (
        <details>
          <summary>Reasoning</summary>
          <p className="said quiet">{text || "The vendor keeps it to itself."}</p>
        </details>
      );
    case "toolCall":
      return (
        <figure>
          <figcaption className="quiet">Tool call: {name}</figcaption>
          <pre className="said">{text}</pre>
        </figure>
      );
    default:
      return <p className="quiet">{`[${kind}, which this page does not show] ${text}`}</p>;
  }
}
