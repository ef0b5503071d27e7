/** Owns name resolution for egress: addresses are checked after DNS, in the very lookup whose answer is dialled. */
import { lookup as systemLookup, type LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";

/** A name that resolves to an address which is not dialled. Its message is for the log: it tells of the operator's network. */
class AddressRefused extends Error {
  readonly code = "ADDRESS_REFUSED";
}

/** Why an address may not be dialled, or undefined when it may; `reasonToRefuse` outside of tests. */
export type RefuseAddress = (address: string) => string | undefined;

/** Resolves a name to all its addresses. */
export type ResolveAll = (hostname: string, callback: (error: Error | null, addresses: readonly LookupAddress[]) => void) => void;

/**
 * One lookup of a name at a time, for all who ask meanwhile. The system's take one of two threads each, for as long as the servers of the name
 * are silent: many connections to one such name would leave none for the names of others.
 */
export function shareLookups(resolveAll: ResolveAll): ResolveAll {
  const askers = new Map<string, Parameters<ResolveAll>[1][]>();
  return (hostname, callback) => {
    const waiting = askers.get(hostname);
    if (waiting !== undefined) {
      waiting.push(callback);
      return;
    }
    const all = [callback];
    askers.set(hostname, all);
    resolveAll(hostname, (error, addresses) => {
      askers.delete(hostname);
      for (const answer of all) answer(error, addresses);
    });
  };
}

const resolveBySystem = shareLookups((hostname, callback) => systemLookup(hostname, { all: true }, callback));

/** A lookup that fails when any address of the name is refused: a name that points to a forbidden place is not trusted at all. */
export function createCheckedLookup(refuse: RefuseAddress, resolveAll: ResolveAll = resolveBySystem): LookupFunction {
  return (hostname, options, callback) => {
    resolveAll(hostname, (error, addresses) => {
      const first = addresses?.[0];
      if (error !== null || first === undefined) return callback(error ?? new Error(`${hostname} has no address`), "", 0);
      for (const { address } of addresses) {
        const refusal = refuse(address);
        if (refusal !== undefined) {
          return callback(new AddressRefused(`${hostname} was not dialled: ${refusal}.`), "", 0);
        }
      }
      if (options.all === true) callback(null, [...addresses]);
      else callback(null, first.address, first.family);
    });
  };
}
