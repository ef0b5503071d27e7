/** Owns what stands where an answer is not here: that it is on its way, why it failed, or what to do while there is nothing. */
import { useQuery } from "@connectrpc/connect-query";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { failureSentence } from "../failure.ts";
import { isGenerating } from "../model.ts";
import { may, useSession } from "../session.ts";

/** What is read of a query. */
export interface LoadedQuery<Data> {
  readonly data: Data | undefined;
  readonly error: Error | null;
  readonly refetch: () => Promise<unknown>;
}

interface LoadedProps<Data> {
  readonly query: LoadedQuery<Data>;
  /** Completes «Your role may not …». */
  readonly deed: string;
  readonly children: (data: Data) => ReactNode;
}

/** What the children make of the answer, once it is here. */
export function Loaded<Data>({ query: { data, error, refetch }, deed, children }: LoadedProps<Data>): ReactNode {
  return (
    <>
      {error !== null && <Failure error={error} deed={deed} retry={() => void refetch()} />}
      {data === undefined ? error === null && <output className="quiet">Loading …</output> : children(data)}
    </>
  );
}

export function Failure({ error, deed, retry }: { readonly error: unknown; readonly deed: string; readonly retry?: () => void }): ReactNode {
  const { role } = useSession();
  return (
    <div className="failure" role="alert">
      <p>{failureSentence(error, role, deed)}</p>
      {retry !== undefined && <button type="button" onClick={retry}>Try again</button>}
    </div>
  );
}

/** What to do where there is nothing yet; a command is to be pasted. */
export function Empty({ children, command }: { readonly children: ReactNode; readonly command?: string }): ReactNode {
  return (
    <div className="empty">
      <p>{children}</p>
      {command !== undefined && <pre>{command}</pre>}
    </div>
  );
}

/** A call to paste, of a model that is there, or to make here; for who may not list models, of the demo. */
export function FirstCall({ children }: { readonly children: ReactNode }): ReactNode {
  const mayTry = may(useSession(), "INFERENCE_USE");
  const { data } = useQuery(InferenceService.method.listModels, {});
  const chat = data?.models.find(isGenerating);
  return (
    <Empty
      command={`curl ${window.location.origin}/v1/chat/completions \\
  -H "Authorization: Bearer $(cat .weir/inference-key)" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${chat?.name ?? "demo/demo-chat"}", "messages": [{"role": "user", "content": "Hello"}]}'`}
    >
      {children} Make one{mayTry && <> <Link href="/try">here</Link>, or in a terminal</>}:
    </Empty>
  );
}
