/** Owns trying a model: a conversation by the session's own key, and what Weir knows of each reply. */
import { useQuery } from "@connectrpc/connect-query";
import { useEffect, useRef, type FormEvent, type KeyboardEvent, type ReactNode } from "react";
import { useSearchParams } from "wouter";
import { InferenceService, type Model } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { useConversation } from "../conversation-keeper.tsx";
import { isAnswering, isFull, mostPromptCharacters, type Asked, type Conversation } from "../conversation.ts";
import { isGenerating } from "../model.ts";
import { Check, Field, LongField, textOf } from "../parts/fields.tsx";
import { ModelChoice } from "../parts/model-choice.tsx";
import { Card, Page } from "../parts/page.tsx";
import { Empty, Loaded } from "../parts/states.tsx";
import { TurnCard } from "../parts/turn-card.tsx";
import { useSession } from "../session.ts";

const most = { pageSize: 10_000 };

export function TryPage(): ReactNode {
  const { conversation, clear } = useConversation();
  const query = useQuery(InferenceService.method.listModels, most);
  return (
    <Page title="Try" actions={conversation.length > 0 && <button type="button" onClick={clear}>New conversation</button>}>
      <Loaded query={query} deed="call models">
        {({ models }) => <Desk models={models.filter(isGenerating)} />}
      </Loaded>
    </Page>
  );
}

function Desk({ models }: { readonly models: readonly Model[] }): ReactNode {
  const { conversation, send } = useConversation();
  const [parameters] = useSearchParams();
  useFollowedEnd(conversation);
  const formerly = conversation.at(-1)?.asked;
  const model = parameters.get("model") ?? formerly?.model ?? models[0]?.name;
  if (model === undefined) return <Empty>There is no model that you may call. Set a vendor&apos;s key in the environment of Weir, name providers in weir.yaml (docs/configuration.md), or ask for a key that may call more.</Empty>;

  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const asked = askedIn(new FormData(event.currentTarget));
    if (asked.prompt === "" || isAnswering(conversation) || isFull(conversation)) return;
    send(asked);
    (event.currentTarget.elements.namedItem("prompt") as HTMLTextAreaElement).value = "";
  };
  return (
    <form className="try" onSubmit={submit}>
      <Settings models={models} model={model} formerly={formerly} />
      <Turns />
      <Composer />
    </form>
  );
}

function askedIn(fields: FormData): Asked {
  const [maximum, temperature] = [textOf(fields, "maximum"), textOf(fields, "temperature")];
  return {
    model: textOf(fields, "model"),
    systemPrompt: textOf(fields, "system"),
    prompt: textOf(fields, "prompt"),
    maximumOutputTokens: maximum === "" ? undefined : BigInt(Math.trunc(Number(maximum))),
    temperature: temperature === "" ? undefined : Number(temperature),
    isStreamed: fields.has("stream"),
  };
}

function sendByKey(event: KeyboardEvent<HTMLTextAreaElement>): void {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.form?.requestSubmit();
}

interface SettingsProps {
  readonly models: readonly Model[];
  readonly model: string;
  /** Of the turn before: who comes back from another page goes on as they were. */
  readonly formerly: Asked | undefined;
}

function Settings({ models, model, formerly }: SettingsProps): ReactNode {
  const [, setParameters] = useSearchParams();
  return (
    <Card title="Call">
      <ModelChoice models={models} chosen={model} onChoose={(chosen) => setParameters({ model: chosen }, { replace: true })} />
      <LongField label="System prompt" name="system" rows={3} maxLength={mostPromptCharacters} placeholder="none" defaultValue={formerly?.systemPrompt} />
      <div className="pair">
        <Field label="Output maximum" name="maximum" type="number" min={1} max={1_000_000_000} step={1} placeholder="in tokens" defaultValue={formerly?.maximumOutputTokens?.toString()} />
        <Field label="Temperature" name="temperature" type="number" min={0} max={2} step="any" placeholder="the vendor's" defaultValue={formerly?.temperature} />
      </div>
      <Check label="Stream the reply" name="stream" defaultChecked={formerly?.isStreamed ?? true} />
    </Card>
  );
}

function Turns(): ReactNode {
  const { name } = useSession();
  const { conversation, send } = useConversation();
  if (conversation.length === 0) {
    return <Empty>{`Calls from here are made by “${name}”: within the limits and budgets of that key, and in the ledger like those of any application. What is said stays in this page's memory, until it is left or you sign out.`}</Empty>;
  }
  const last = conversation.at(-1)!;
  const sendAgain = (form: HTMLFormElement): void => send({ ...askedIn(new FormData(form)), prompt: last.asked.prompt }, last);
  return (
    <section className="turns" aria-label="Conversation">
      {conversation.map((turn) => <TurnCard key={turn.id} turn={turn} sendAgain={turn === last ? sendAgain : undefined} />)}
    </section>
  );
}

function Composer(): ReactNode {
  const { conversation, stop } = useConversation();
  if (isFull(conversation) && !isAnswering(conversation)) return <p className="composer quiet">This page holds no more of the conversation. Begin a new one.</p>;
  return (
    <div className="composer">
      <LongField label="Prompt" name="prompt" rows={3} maxLength={mostPromptCharacters} required autoFocus onKeyDown={sendByKey} hint="Ctrl+Enter or ⌘+Enter sends it." />
      {isAnswering(conversation) ? <button key="stop" type="button" onClick={stop}>Stop</button> : <button key="send" type="submit" className="primary">Send</button>}
    </div>
  );
}

/** How far from its end a reader may be for the page to go along with what grows there. */
const nearPixels = 300;

/** Moves the page to the conversation's end: with each new turn, and while a reply grows before who reads it. */
function useFollowedEnd(conversation: Conversation): void {
  const seenTurns = useRef(0);
  useEffect(() => {
    const isNewTurn = conversation.length > seenTurns.current;
    seenTurns.current = conversation.length;
    const { scrollHeight, scrollTop, clientHeight } = document.documentElement;
    const isNear = scrollHeight - scrollTop - clientHeight < nearPixels;
    if (conversation.length > 0 && (isNewTurn || isNear)) window.scrollTo({ top: scrollHeight });
  }, [conversation]);
}
