/** Owns one turn of a conversation: what was asked, what came back, and what Weir knows of it. */
import { memo, type ReactNode } from "react";
import type { Turn } from "../conversation.ts";
import { endingOf } from "../reply-words.ts";
import { Mark } from "./marks.tsx";
import { Card } from "./page.tsx";
import { ReplyFacts } from "./reply-facts.tsx";
import { ReplyParts } from "./reply-parts.tsx";

interface TurnCardProps {
  readonly turn: Turn;
  /** As the form that it stands in says by now; of the last turn alone. */
  readonly sendAgain: ((form: HTMLFormElement) => void) | undefined;
}

/** Drawn anew only where it has changed: the others stand while one grows, word by word. */
export const TurnCard = memo(function TurnCard({ turn: { asked, reply }, sendAgain }: TurnCardProps): ReactNode {
  const { title, tone } = endingOf(reply);
  const { failure, ending } = reply;
  return (
    <Card title={asked.model} actions={<output><Mark tone={tone}>{title}</Mark></output>}>
      <p className="said asked">{asked.prompt}</p>
      <div className="reply" aria-busy={ending === undefined}>
        <ReplyParts reply={reply} />
      </div>
      {failure !== undefined && (
        <div className="failure" role="alert">
          <p>
            {failure.reason !== "" && <strong>{failure.reason} </strong>}
            {failure.message}
          </p>
          {sendAgain !== undefined && <button type="button" onClick={({ currentTarget }) => sendAgain(currentTarget.form!)}>Send again</button>}
        </div>
      )}
      <ReplyFacts reply={reply} />
    </Card>
  );
});
