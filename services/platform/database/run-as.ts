/** Owns as whom PostgreSQL runs: it refuses root, and wants a user with a name, but has to reach whatever folder Weir was given. */
import { execFile } from "node:child_process";
import { userInfo } from "node:os";
import { promisify } from "node:util";
import { GatewayError } from "../errors.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";

/** How to start a program of PostgreSQL. */
export interface RunAs {
  /** What stands before the program and its arguments on the command line. */
  readonly prefix: readonly string[];
  /** The user that the program's files must belong to. */
  readonly userId: number;
}

const rootUser = 0;
const nobody = 65534;
const probeTimeoutMs = 10_000;

/**
 * The first way that works here. `owner` is the user whom the cluster's files belong to already, if there are any.
 * Throws DEPENDENCY_UNAVAILABLE where there is none.
 */
export async function chooseRunAs(binaries: PostgresBinaries, directory: string, owner: number | undefined): Promise<RunAs> {
  const userId = process.getuid!();
  if (userId !== rootUser) {
    if (owner !== undefined || hasName()) return { prefix: [], userId };
    // Only the making of the files needs a name.
    return firstThatWorks([pretendNobody(userId)], binaries, directory, `user ${userId} has no name on this machine (add it to /etc/passwd)`);
  }
  const candidates = [dropRoot(owner === undefined || owner === rootUser ? nobody : owner), pretendNobody(rootUser)];
  const usable = candidates.filter((candidate) => owner === undefined || owner === candidate.userId);
  return firstThatWorks(usable, binaries, directory, "it refuses to run as root (start Weir as an ordinary user)");
}

function hasName(): boolean {
  try {
    userInfo();
    return true;
  } catch {
    return false;
  }
}

/**
 * Another user who keeps one right of root, to pass through folders of others.
 * The secure bit matters: without it access(2), by which PostgreSQL looks for its own programs, ignores that right.
 */
function dropRoot(userId: number): RunAs {
  const identity = [`--reuid=${userId}`, `--regid=${userId}`, "--clear-groups", "--no-new-privs"];
  const rights = ["--securebits=+no_setuid_fixup", "--inh-caps=-all,+dac_override", "--ambient-caps=+dac_override"];
  return { prefix: ["setpriv", ...identity, ...rights, "--"], userId };
}

/** The same user outside, nobody in the program's own eyes. */
function pretendNobody(userId: number): RunAs {
  return { prefix: ["unshare", "--user", `--map-user=${nobody}`, `--map-group=${nobody}`, "--"], userId };
}

async function firstThatWorks(candidates: readonly RunAs[], binaries: PostgresBinaries, directory: string, obstacle: string): Promise<RunAs> {
  const failures: unknown[] = [];
  for (const candidate of candidates) {
    try {
      await probe(candidate, binaries, directory);
      return candidate;
    } catch (error) {
      failures.push(error);
    }
  }
  throw new GatewayError(
    "DEPENDENCY_UNAVAILABLE",
    `PostgreSQL cannot run in ${directory}: ${obstacle}, and neither setpriv nor unshare, by which Weir gets around that, works here. Or set WEIR_DATABASE_URL to a PostgreSQL of your own.`,
    { cause: new AggregateError(failures, failures.map(String).join("; ")) },
  );
}

async function probe(runAs: RunAs, binaries: PostgresBinaries, directory: string): Promise<void> {
  const [command, ...rest] = [...runAs.prefix, "sh", "-c", 'cd "$1" && exec "$2" --version', "sh", directory, binaries.postgres];
  await promisify(execFile)(command!, rest, { env: binaries.environment, timeout: probeTimeoutMs });
}
