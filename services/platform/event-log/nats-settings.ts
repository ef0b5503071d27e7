/** Owns what the event log takes from the configuration, with every default. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Nats } from "#gen/weir/config/v1/nats_pb.ts";
import { refuseField } from "../config-file/faults.ts";
import { Secret } from "../secrets/secret.ts";

export interface NatsSettings {
  /** Each `host:port`, without a scheme or a secret. */
  readonly servers: readonly string[];
  readonly credential: NatsCredential;
  /** Undefined where a connection need not be encrypted. */
  readonly tls: NatsTls | undefined;
  readonly stream: StreamLimits;
}

export type NatsCredential =
  | { readonly kind: "none" }
  | { readonly kind: "password"; readonly user: string; readonly password: Secret }
  | { readonly kind: "token"; readonly token: Secret }
  | { readonly kind: "file"; readonly path: string };

/** Paths of PEM files. */
interface NatsTls {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** What may wait for metering; beyond it NATS refuses. */
export interface StreamLimits {
  readonly replicas: number;
  readonly maximumBytes: number;
  readonly maximumEvents: number;
  readonly maximumAgeMs: number;
}

/**
 * The settings, or undefined where no NATS is named. `url` is the environment's (WEIR_NATS_URL), and wins over the file's.
 * Throws INVALID_REQUEST that names the field at fault, and never its value: it may hold a password.
 */
export function readNatsSettings(nats: Nats | undefined, url: string | undefined): NatsSettings | undefined {
  const [field, text] = url === undefined ? ["events.nats.url", nats?.url ?? ""] : ["WEIR_NATS_URL", url];
  if (text === "") {
    if (nats === undefined) return undefined;
    refuseField(field, "missing; write nats://host:4222, or set WEIR_NATS_URL.");
  }
  const urls = text.split(",").map((part) => readUrl(part.trim(), field));
  const schemes = new Set(urls.map(({ protocol }) => protocol));
  const userinfos = new Set(urls.map(({ username, password }) => `${username}:${password}`));
  if (schemes.size > 1 || userinfos.size > 1) refuseField(field, "all servers must have the same scheme and the same user or token.");
  return {
    servers: urls.map(({ hostname, port }) => `${hostname}:${port === "" ? "4222" : port}`),
    credential: readCredential(urls[0]!, nats, field),
    tls: readTls(schemes.has("tls:"), nats),
    stream: {
      replicas: nats?.stream?.replicas ?? 1,
      maximumBytes: Number(nats?.stream?.maxBytes ?? 1_073_741_824n),
      maximumEvents: Number(nats?.stream?.maxEvents ?? 1_000_000n),
      maximumAgeMs: nats?.stream?.maxAge === undefined ? 86_400_000 : durationMs(nats.stream.maxAge),
    },
  };
}

function readUrl(text: string, field: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isServer = url !== undefined && ["nats:", "tls:"].includes(url.protocol) && url.hostname !== "" && ["", "/"].includes(url.pathname) && url.search === "" && url.hash === "";
  if (!isServer) refuseField(field, "must be nats://host:4222 or tls://host:4222, with a user:password@ or token@ before the host if need be.");
  return url;
}

function readCredential({ username, password }: URL, nats: Nats | undefined, field: string): NatsCredential {
  const found: NatsCredential[] = [];
  const user = decode(username, field);
  if (user !== "" && password !== "") found.push({ kind: "password", user, password: new Secret(decode(password, field)) });
  else if (user !== "") found.push({ kind: "token", token: new Secret(user) });
  if (nats !== undefined && nats.user !== "") found.push({ kind: "password", user: nats.user, password: new Secret(nats.password) });
  if (nats !== undefined && nats.token !== "") found.push({ kind: "token", token: new Secret(nats.token) });
  if (nats !== undefined && nats.credentialsFile !== "") found.push({ kind: "file", path: nats.credentialsFile });
  if (found.length > 1) refuseField(field, "there is more than one credential; keep one of: the one in the URL, user with password, token, credentials_file.");
  return found[0] ?? { kind: "none" };
}

function decode(text: string, field: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuseField(field, "in the user, password or token a % must be written %25.");
  }
}

function readTls(isAsked: boolean, nats: Nats | undefined): NatsTls | undefined {
  const files = {
    ...(nats === undefined || nats.caFile === "" ? {} : { caFile: nats.caFile }),
    ...(nats === undefined || nats.certificateFile === "" ? {} : { certFile: nats.certificateFile }),
    ...(nats === undefined || nats.keyFile === "" ? {} : { keyFile: nats.keyFile }),
  };
  if (isAsked) return files;
  if (Object.keys(files).length > 0) refuseField("events.nats.url", "certificates are given, but the connection would not be encrypted: write tls:// instead of nats://.");
  return undefined;
}
