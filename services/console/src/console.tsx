/** Owns the console as a whole: the sign-in before it, the navigation, and which page stands at which address. */
import { QueryClientProvider, useMutation, useQuery } from "@tanstack/react-query";
import { useState, type ComponentType, type ReactNode } from "react";
import { Link, Redirect, Route, Switch, useLocation } from "wouter";
import { ConversationKeeper } from "./conversation-keeper.tsx";
import { may, readSession, SessionContext, sessionKey, signOut, type Session } from "./session.ts";
import { AuditPage } from "./pages/audit.tsx";
import { BudgetsPage } from "./pages/budgets.tsx";
import { CredentialsPage } from "./pages/credentials.tsx";
import { ExplainPage } from "./pages/explain.tsx";
import { GuardrailsPage } from "./pages/guardrails.tsx";
import { KeysPage } from "./pages/keys.tsx";
import { ModelsPage } from "./pages/models.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { RateLimitsPage } from "./pages/rate-limits.tsx";
import { RequestPage } from "./pages/request.tsx";
import { RequestsPage } from "./pages/requests.tsx";
import { SignInPage } from "./pages/sign-in.tsx";
import { TeamsPage } from "./pages/teams.tsx";
import { TryPage } from "./pages/try.tsx";
import { UsagePage } from "./pages/usage.tsx";
import { createQueryClient } from "./weir.ts";

interface PageEntry {
  readonly path: string;
  readonly title: string;
  readonly page: ComponentType;
  /** Who lacks it is not led there; other pages say what they may not show. */
  readonly permission?: string;
}

const pages: readonly PageEntry[] = [
  { path: "/", title: "Overview", page: OverviewPage },
  { path: "/try", title: "Try", page: TryPage, permission: "INFERENCE_USE" },
  { path: "/usage", title: "Usage", page: UsagePage },
  { path: "/requests", title: "Requests", page: RequestsPage },
  { path: "/keys", title: "Keys", page: KeysPage },
  { path: "/teams", title: "Teams", page: TeamsPage },
  { path: "/budgets", title: "Budgets", page: BudgetsPage },
  { path: "/rate-limits", title: "Rate limits", page: RateLimitsPage },
  { path: "/guardrails", title: "Guardrails", page: GuardrailsPage },
  { path: "/explain", title: "Explain", page: ExplainPage, permission: "DECISION_EXPLAIN" },
  { path: "/models", title: "Models", page: ModelsPage },
  { path: "/credentials", title: "Credentials", page: CredentialsPage, permission: "CREDENTIAL_READ" },
  { path: "/audit", title: "Audit log", page: AuditPage },
];

const minuteMs = 60_000;

export function Console(): ReactNode {
  const { data, error, refetch } = useQuery({ queryKey: sessionKey, queryFn: readSession, refetchInterval: minuteMs });
  if (data === undefined) {
    return error === null ? null : (
      <div className="sign-in" role="alert">
        <p>{error.message}</p>
        <button type="button" onClick={() => void refetch()}>Try again</button>
      </div>
    );
  }
  if (data.session === null) return <SignInPage signIn={data.signIn} />;
  // By its key, nothing that was said or seen is taken over into another session, which may have begun in another tab.
  return <SignedIn key={data.session.id} session={data.session} />;
}

function SignedIn({ session }: { readonly session: Session }): ReactNode {
  const [client] = useState(createQueryClient);
  const shown = pagesFor(session);
  return (
    <QueryClientProvider client={client}>
      <SessionContext value={session}>
        <ConversationKeeper>
          <div className="shell">
            <Sidebar session={session} pages={shown} />
            <Switch>
              {shown.map(({ path, page }) => <Route key={path} path={path} component={page} />)}
              <Route path="/requests/:requestId">{({ requestId }) => <RequestPage requestId={requestId} />}</Route>
              <Route><Redirect to="/" replace /></Route>
            </Switch>
          </div>
        </ConversationKeeper>
      </SessionContext>
    </QueryClientProvider>
  );
}

function pagesFor(session: Session): readonly PageEntry[] {
  return pages.filter(({ permission }) => permission === undefined || may(session, permission));
}

function Sidebar({ session, pages: shown }: { readonly session: Session; readonly pages: readonly PageEntry[] }): ReactNode {
  const [location] = useLocation();
  // The page begins anew: nothing of what was seen stays for who comes next.
  const { mutate: leave, error } = useMutation({ mutationFn: signOut, onSuccess: () => window.location.assign("/console/") });
  return (
    <aside>
      <Link href="/" className="brand"><span aria-hidden="true" className="mark" />Weir</Link>
      <nav aria-label="Pages">
        {shown.map(({ path, title }) => (
          <Link key={path} href={path} aria-current={isAt(location, path) ? "page" : undefined}>{title}</Link>
        ))}
      </nav>
      <div className="who">
        <span title={session.name}>{session.name}</span>
        <small>{session.role.replaceAll("-", " ")}</small>
        <button type="button" className="plain" onClick={() => leave()}>Sign out</button>
        {error !== null && <small role="alert">{error.message}</small>}
      </div>
    </aside>
  );
}

function isAt(location: string, path: string): boolean {
  return path === "/" ? location === "/" : location === path || location.startsWith(`${path}/`);
}
