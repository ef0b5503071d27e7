/** Owns the proxy of the operator's network: which hosts are reached through it, and the tunnels to them. */
import { request as requestByHttp } from "node:http";
import { request as requestByHttps } from "node:https";
import { isIP, type Socket } from "node:net";
import { unescape } from "node:querystring";
import type { Duplex } from "node:stream";
import { buildConnector } from "undici";
import type { Proxy } from "#gen/weir/config/v1/proxy_pb.ts";
import { refuseField } from "../config-file/faults.ts";
import type { LiveValue } from "../views/live-value.ts";
import { reasonToRefuse } from "./address.ts";

/** What the proxy answered in the place of a tunnel. Its message is for the log. */
class TunnelRefused extends Error {
  readonly code = "PROXY_REFUSED";
}

/** As a process has one way out; connections that are there when it changes are used on. */
let proxy: Proxy | undefined;

/** Throws INVALID_REQUEST when its URL is no address. */
export function checkProxy(configured: Proxy | undefined): void {
  if (configured !== undefined && !URL.canParse(configured.url)) refuseField("proxy.url", "this is no address. Write one such as http://proxy.example.com:3128.");
}

/** Sends what this process asks by HTTP through the configured proxy, until the returned function is called. */
export function followProxy(configured: LiveValue<Proxy | undefined>): () => void {
  proxy = configured.current;
  const unsubscribe = configured.subscribe((changed) => (proxy = changed));
  return () => {
    unsubscribe();
    proxy = undefined;
  };
}

/** Opens connections, over the proxy where the host is to be reached through it. `lookup` judges only those that are opened directly: the proxy resolves names by itself. */
export function createConnector(options: buildConnector.BuildOptions & { readonly timeout: number }): buildConnector.connector {
  const connect = buildConnector({ ...options, allowH2: false });
  return (target, callback) => {
    if (proxy === undefined || isReachedDirectly(target.hostname, proxy.direct)) return connect(target, callback);
    const port = target.port || (target.protocol === "https:" ? "443" : "80");
    openTunnel(proxy.url, `${target.hostname}:${port}`, options.timeout, (error, tunnel) => {
      if (error !== null) return callback(error, null);
      // A tunnel is a socket of node:net, or of node:tls where the proxy is reached by TLS.
      if (target.protocol === "https:") connect({ ...target, httpSocket: tunnel as Socket }, callback);
      else callback(null, tunnel as Socket);
    });
  };
}

/** Private addresses, names without a dot, and what is named, which stands for all below it. */
export function isReachedDirectly(hostname: string, direct: readonly string[]): boolean {
  const host = hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0) return reasonToRefuse(host, false) !== undefined || direct.includes(host);
  return !host.includes(".") || direct.some((name) => host === name || host.endsWith(`.${name}`));
}

type WithTunnel = (...outcome: [error: null, tunnel: Duplex] | [error: Error, tunnel: null]) => void;

function openTunnel(proxyUrl: string, authority: string, timeoutMs: number, done: WithTunnel): void {
  const { protocol, host, username, password, origin } = new URL(proxyUrl);
  const credentials = Buffer.from(`${unescape(username)}:${unescape(password)}`).toString("base64");
  const headers = { host: authority, ...(username === "" ? {} : { "proxy-authorization": `Basic ${credentials}` }) };
  const asked = (protocol === "https:" ? requestByHttps : requestByHttp)(origin, { method: "CONNECT", path: authority, headers, agent: false });
  const timer = setTimeout(() => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  asked.once("connect", ({ statusCode = 0 }, tunnel, ahead) => {
    clearTimeout(timer);
    if (statusCode === 200) {
      if (ahead.length > 0) tunnel.unshift(ahead);
      return done(null, tunnel);
    }
    tunnel.destroy();
    const advice = statusCode === 407 ? "it wants other credentials: give user and password in proxy.url" : "let it lead there, or name the host in proxy.direct";
    done(new TunnelRefused(`The proxy ${host} answered ${statusCode} when it was asked for a tunnel to ${authority}; ${advice}.`), null);
  });
  asked.once("error", (error) => {
    clearTimeout(timer);
    done(new TunnelRefused(`The proxy ${host} gave no tunnel to ${authority}: ${error.message}.`, { cause: error }), null);
  });
  asked.end();
}
