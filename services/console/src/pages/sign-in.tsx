/** Owns the sign-in: by a key, or at the issuer that Weir is told to trust. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { FormEvent, ReactNode } from "react";
import { Field, textOf } from "../parts/fields.tsx";
import { issuerSignInPath, sessionKey, signInByKey, type SessionState } from "../session.ts";

export function SignInPage({ signIn }: { readonly signIn: SessionState["signIn"] }): ReactNode {
  const queryClient = useQueryClient();
  const { mutate, error, isPending } = useMutation({
    mutationFn: signInByKey,
    onSuccess: (state) => queryClient.setQueryData(sessionKey, state),
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    mutate(textOf(new FormData(event.currentTarget), "key"));
  };
  return (
    <main className="sign-in">
      <h1 className="brand"><span aria-hidden="true" className="mark" />Weir</h1>
      {signIn.issuer !== null && <a className="button primary" href={issuerSignInPath()}>Sign in with {new URL(signIn.issuer).host}</a>}
      {signIn.issuer !== null && signIn.key && <p className="quiet">or</p>}
      {signIn.key && (
        <form onSubmit={submit}>
          <Field label="Key" name="key" type="password" required autoFocus autoComplete="current-password" spellCheck={false} hint={<>The first start has put one into the data directory: <code>.weir/admin-key</code>.</>} />
          {error !== null && <p className="failure" role="alert">{error.message}</p>}
          <button type="submit" className="primary" disabled={isPending}>Sign in</button>
        </form>
      )}
      {!signIn.key && signIn.issuer === null && <p>This Weir lets nobody sign in here. Its configuration says who may (docs/console.md).</p>}
    </main>
  );
}
