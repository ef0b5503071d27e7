/** Owns the admin port: metrics, liveness and readiness; it listens from the first moment of a start to the last of a stop. */
import { listen, type HttpHandler, type Listener } from "#platform/http/listener.ts";
import type { Logger } from "#platform/logger.ts";
import type { MetricsSource } from "#platform/metrics.ts";
import type { Readiness } from "./readiness.ts";
import type { Settings } from "./settings/settings.ts";

export interface AdminDoor extends Readiness {
  readonly listener: Listener;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** Throws INVALID_REQUEST when the port is taken. */
export async function openAdminDoor({ adminAddress, adminPort }: Pick<Settings, "adminAddress" | "adminPort">, metrics: MetricsSource, logger: Logger): Promise<AdminDoor> {
  let waitingFor: string | undefined = "its start";
  // A map: an object has members of its own, by which a path could call it.
  const answers = new Map<string | undefined, () => Promise<Answer>>([
    ["/healthz", async () => text(200, "alive")],
    ["/readyz", async () => (waitingFor === undefined ? text(200, "ready") : text(503, `waiting for ${waitingFor}`))],
    ["/metrics", async () => ({ status: 200, type: metrics.contentType, body: await metrics.read() })],
  ]);
  const notFound = async (): Promise<Answer> => text(404, `There are ${[...answers.keys()].join(", ")}.`);
  const handler: HttpHandler = async (request, response) => {
    const answer = answers.get(request.url) ?? notFound;
    const { status, type, body } = await answer().catch((error: Error) => text(503, error.message));
    response.writeHead(status, { "content-type": type });
    response.end(body);
  };
  const listener = await listen({ address: adminAddress, port: adminPort, handler, logger, portHint: "Set listen.admin_port in weir.yaml, or start with --admin-port." });
  return {
    listener,
    waitsFor: (what) => (waitingFor = what),
    isReady: () => (waitingFor = undefined),
    close: () => listener.close(0),
  };
}

function text(status: number, line: string): Answer {
  return { status, type: "text/plain", body: `${line}\n` };
}
