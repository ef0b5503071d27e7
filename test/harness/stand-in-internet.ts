/**
 * Owns an internet for tests, in which names lead to servers of the test: `--import`ed into a process of Weir, which has no setting
 * for it. What Weir checks it checks all the same: its names resolve to addresses, and only what it dials then is led elsewhere.
 */
import { Resolver } from "node:dns";
import { Socket, type LookupFunction, type TcpSocketConnectOpts } from "node:net";

/** A host of this internet. */
export interface StandInHost {
  /** What DNS says of it. */
  readonly address: string;
  /** Of the server on loopback that answers for it. */
  readonly port: number;
}

/** Variables for a process in whose internet these names exist. */
export function standInInternet(hosts: Readonly<Record<string, StandInHost>>): Record<string, string> {
  return { NODE_OPTIONS: `--import=${import.meta.url}`, [variable]: JSON.stringify(hosts) };
}

const variable = "WEIR_TEST_INTERNET";
const hosts = new Map(Object.entries(JSON.parse(process.env[variable] ?? "{}") as Record<string, StandInHost>));

if (hosts.size > 0) {
  leadNames();
  leadConnections();
}

function leadNames(): void {
  type Answered = (error: Error | null, addresses: string[]) => void;
  const resolve4 = (name: string, answered: Answered): void => answered(null, [hosts.get(name)?.address ?? []].flat());
  const resolve6 = (_name: string, answered: Answered): void => answered(null, []);
  Object.assign(Resolver.prototype, { resolve4, resolve6 });
}

function leadConnections(): void {
  const { connect } = Socket.prototype as { connect: (this: Socket, ...words: readonly unknown[]) => Socket };
  function connectInStandIn(this: Socket, options: TcpSocketConnectOpts, ...rest: readonly unknown[]): Socket {
    const host = hosts.get(options.host ?? "");
    return connect.call(this, host === undefined ? options : { ...options, port: host.port, lookup: toLoopback(options.lookup!) }, ...rest);
  }
  Object.assign(Socket.prototype, { connect: connectInStandIn });
}

/** Asks the lookup, which may refuse, and leads what it allows to loopback. */
function toLoopback(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) =>
    lookup(hostname, options, (error) => {
      if (error !== null) callback(error, "", 0);
      else if (options.all === true) callback(null, [{ address: "127.0.0.1", family: 4 }]);
      else callback(null, "127.0.0.1", 4);
    });
}
