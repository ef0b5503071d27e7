/** Owns the frame of the lists of requests: which of them is shown, which stands in the page's address, and finding one request by its id. */
import type { FormEvent, ReactNode } from "react";
import { useLocation, useSearchParams } from "wouter";
import { Field, textOf } from "./fields.tsx";
import { Page } from "./page.tsx";

/** By the word in the page's address. */
const lists = { attempts: "Attempts", others: "Refused, cached, guarded" };

export function useList(): keyof typeof lists {
  const [parameters] = useSearchParams();
  return parameters.get("show") === "others" ? "others" : "attempts";
}

interface RequestsFrameProps {
  readonly query: { readonly isFetching: boolean; readonly refetch: () => Promise<unknown> };
  readonly children: ReactNode;
}

export function RequestsFrame({ query, children }: RequestsFrameProps): ReactNode {
  const list = useList();
  const [, setParameters] = useSearchParams();
  const [, navigate] = useLocation();
  const find = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    navigate(`/requests/${encodeURIComponent(textOf(new FormData(event.currentTarget), "request"))}`);
  };
  return (
    <Page title="Requests" actions={<button type="button" disabled={query.isFetching} onClick={() => void query.refetch()}>Refresh</button>}>
      <div className="toolbar apart">
        <fieldset className="segments">
          <legend className="hidden">Which requests</legend>
          {Object.entries(lists).map(([name, title]) => (
            <button key={name} type="button" aria-pressed={name === list} onClick={() => setParameters({ show: name })}>{title}</button>
          ))}
        </fieldset>
        <search>
          <form onSubmit={find}>
            <Field label="Request id" name="request" placeholder="req_…" required spellCheck={false} />
            <button type="submit">Find</button>
          </form>
        </search>
      </div>
      {children}
    </Page>
  );
}
