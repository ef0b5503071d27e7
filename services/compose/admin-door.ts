/** Owns the admin port: metrics, liveness and readiness; it listens on loopback only. */
import type { HttpHandler } from "#platform/listener.ts";
import type { Registry } from "#platform/metrics.ts";

export interface AdminDoor {
  readonly handler: HttpHandler;
  setReady(ready: boolean): void;
}

export function createAdminHandler(metrics: Registry): AdminDoor {
  let ready = false;
  const answers: Readonly<Record<string, () => Promise<{ status: number; type: string; body: string }>>> = {
    "/healthz": async () => ({ status: 200, type: "text/plain", body: "alive\n" }),
    "/readyz": async () => (ready ? { status: 200, type: "text/plain", body: "ready\n" } : { status: 503, type: "text/plain", body: "not ready\n" }),
    "/metrics": async () => ({ status: 200, type: metrics.contentType, body: await metrics.metrics() }),
  };
  const notFound = async (): Promise<{ status: number; type: string; body: string }> => ({ status: 404, type: "text/plain", body: `There are ${Object.keys(answers).join(", ")}.\n` });
  const handler: HttpHandler = (request, response) => {
    void (answers[request.url ?? ""] ?? notFound)().then(({ status, type, body }) => {
      response.writeHead(status, { "content-type": type });
      response.end(body);
    });
  };
  return { handler, setReady: (value) => (ready = value) };
}
