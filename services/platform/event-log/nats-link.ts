/** Owns the connection to NATS: made in the background, made again for ever, and told in the log when it comes and goes. */
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { AuthorizationError, connect, credsAuthenticator, type ConnectionOptions, type NatsConnection } from "@nats-io/transport-node";
import { GatewayError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { NatsCredential, NatsSettings } from "./nats-settings.ts";

export interface NatsLinkOptions {
  readonly settings: NatsSettings;
  /** The service on whose behalf, such as `providers`: names the connection and its inbox `weir.inbox.<service>`. */
  readonly service: string;
  /**
   * Names this process among those of the service, in letters, digits, `-` and `_`. Metering's confirmations come to it; where it
   * outlives the process as its journal does, those for the process before are not lost.
   */
  readonly instance: string;
  readonly logger: Logger;
}

export interface NatsLink {
  readonly settings: NatsSettings;
  readonly instance: string;
  readonly isConnected: boolean;
  /** The connection, as soon as it stands. Throws DEPENDENCY_UNAVAILABLE when the signal fires before, or the link is closed. */
  connected(signal: AbortSignal): Promise<NatsConnection>;
  /** Ends the connection; call it after all that uses it has stopped. */
  close(): Promise<void>;
}

const connectTimeoutMs = 5_000;
const firstRetryMs = 250;
const longestRetryMs = 5_000;
/** A server that is silent for this long twice is given up, and dialled again. */
const pingIntervalMs = 10_000;

const refusedCredential = "NATS refuses the credential of this process: put it right there, or in the configuration, which takes a new start; a credentials_file is read again by itself";

/** Returns at once; while NATS is away everything else works, and what is to go through it waits. */
export function connectNats({ settings, service, instance, logger }: NatsLinkOptions): NatsLink {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(instance)) throw new GatewayError("INVALID_REQUEST", `The instance name "${instance}" must be 1 to 64 letters, digits, - or _.`);
  const servers = settings.servers.join(", ");
  const closing = new AbortController();
  /** The connection, also while it is being made again. */
  let made: NatsConnection | undefined;
  /** The connection while it stands. */
  let standing: NatsConnection | undefined;
  let arrival = Promise.withResolvers<void>();
  /** The problem that was logged last: what is tried for ever, or sixty times at once, is told once. */
  let told = "";
  const running = stayConnected();

  return {
    settings,
    instance,
    get isConnected() {
      return standing !== undefined;
    },
    async connected(signal) {
      if (standing !== undefined && !signal.aborted) return standing;
      const over = AbortSignal.any([signal, closing.signal]);
      while (standing === undefined && !over.aborted) await Promise.race([arrival.promise, aborted(over)]);
      if (standing === undefined || over.aborted) throw new GatewayError("DEPENDENCY_UNAVAILABLE", `NATS at ${servers} is not connected; what is to go through it waits.`);
      return standing;
    },
    async close() {
      closing.abort();
      await made?.close();
      await running;
    },
  };

  async function stayConnected(): Promise<void> {
    for (let failures = 0; !closing.signal.aborted; failures++) {
      try {
        const connection = await connect(connectionOptions(settings, service, instance));
        made = connection;
        if (closing.signal.aborted) return await connection.close();
        failures = 0;
        logger.info({ servers, version: connection.info?.version }, "NATS is connected");
        stand(connection);
        const following = follow(connection);
        const error = await connection.closed();
        await following;
        fall();
        if (!closing.signal.aborted) logger.error({ servers, error }, "the connection to NATS has ended; it is made anew");
      } catch (error) {
        const problem = describe(error as Error);
        if (problem !== told) logger.warn({ servers, problem }, "NATS cannot be reached; it is tried again for ever, and what is to go through it waits");
        told = problem;
      }
      await pause(Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2), undefined, { signal: closing.signal }).catch(() => undefined);
    }
  }

  /** The client reconnects by itself; this tells the log and those who wait. */
  async function follow(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === "disconnect" && standing !== undefined && !closing.signal.aborted) {
        fall();
        logger.warn({ servers }, "NATS is gone; it is tried again for ever, and what is to go through it waits");
      } else if (status.type === "reconnect") {
        // After the return the client says so once for each time that it was refused.
        if (standing !== undefined) continue;
        stand(connection);
        logger.info({ servers, version: connection.info?.version }, "NATS is connected again");
      } else if (status.type === "error") {
        // Each event and each shared reply has a subject of its own.
        const problem = status.error.message.replace(/weir[.](usage|cache)[.][^"]*/, "weir.$1.>");
        if (problem !== told) logger.error({ servers, problem }, status.error instanceof AuthorizationError ? refusedCredential : "NATS refuses something; docs/operations.md has the rights that each service needs");
        told = problem;
      }
    }
  }

  function stand(connection: NatsConnection): void {
    standing = connection;
    told = "";
    arrival.resolve();
  }

  function fall(): void {
    if (standing === undefined) return;
    standing = undefined;
    arrival = Promise.withResolvers();
  }
}

function connectionOptions({ servers, credential, tls }: NatsSettings, service: string, instance: string): ConnectionOptions {
  return {
    servers: [...servers],
    name: `weir ${service} ${instance}`,
    inboxPrefix: `weir.inbox.${service}`,
    timeout: connectTimeoutMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: firstRetryMs,
    reconnectJitter: firstRetryMs,
    reconnectJitterTLS: firstRetryMs,
    pingInterval: pingIntervalMs,
    maxPingOut: 2,
    noAsyncTraces: true,
    // Credentials can be put right while Weir runs.
    ignoreAuthErrorAbort: true,
    ...(tls === undefined ? {} : { tls: { ...tls } }),
    ...authentication(credential),
  };
}

function authentication(credential: NatsCredential): ConnectionOptions {
  if (credential.kind === "password") return { user: credential.user, pass: credential.password.reveal() };
  if (credential.kind === "token") return { token: credential.token.reveal() };
  if (credential.kind === "none") return {};
  const read = (): Buffer => readFileSync(credential.path);
  // Where the file cannot be read, the client says no more than that the time is over.
  read();
  return { authenticator: credsAuthenticator(read) };
}

/** The client says "timeout" and no more where a server hangs up on who has no certificate. */
function describe({ message }: Error): string {
  return message === "timeout" ? `no answer within ${connectTimeoutMs / 1000} s; a server that asks for a client certificate does that too` : message;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
