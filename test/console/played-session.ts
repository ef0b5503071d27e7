/** Owns a stand-in for the console's sign-in in the browser of a test: the session's three calls, and the cookie as the key that it stands for. */
import type { BrowserContext } from "playwright-core";
import type { WeirClient } from "../harness/start-weir.ts";

export async function playSession(context: BrowserContext, { origin, adminKey }: WeirClient): Promise<void> {
  let key: string | undefined;
  let role = "";
  await context.route(`${origin}/console/session`, async (route) => {
    const request = route.request();
    if (request.method() === "DELETE") {
      key = undefined;
      return route.fulfill({ status: 204 });
    }
    if (request.method() === "POST") {
      const { key: offered } = request.postDataJSON() as { key: string };
      const answer = await fetch(`${origin}/weir.policy.v1.PolicyService/ListTeams`, { method: "POST", headers: { authorization: `Bearer ${offered}`, "content-type": "application/json" }, body: "{}" });
      if (!answer.ok) return route.fulfill({ status: answer.status, json: { error: { message: ((await answer.json()) as { message: string }).message } } });
      key = offered;
      role = offered === adminKey ? "installation-admin" : "auditor";
    }
    const session = key === undefined ? null : { name: "somebody", role, organizationId: "", expireTime: "2026-11-22T08:00:00Z" };
    return route.fulfill({ json: { session, signIn: { key: true, issuer: null } } });
  });
  await context.route(`${origin}/weir.**`, (route) => {
    const headers = route.request().headers();
    const isConsole = headers["x-weir-console"] === "1" && key !== undefined;
    return route.continue({ headers: isConsole ? { ...headers, authorization: `Bearer ${key}` } : headers });
  });
}
