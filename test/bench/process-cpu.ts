/** Owns how much CPU a process has used, and those it has started. */
import { readdirSync, readFileSync } from "node:fs";

/** What `getconf CLK_TCK` says on every Linux that Node runs on. */
const ticksPerSecond = 100;

export interface CpuUse {
  /** Of the process itself, all its threads. */
  readonly ownMicros: number;
  /** Of the processes that it has started, directly or not: for Weir, PostgreSQL's. */
  readonly childrenMicros: number;
}

/** What several processes have used, none of which has started another of them. */
export function readCpuUseOf(pids: readonly number[]): CpuUse {
  const uses = pids.map(readCpuUse);
  return { ownMicros: uses.reduce((sum, use) => sum + use.ownMicros, 0), childrenMicros: uses.reduce((sum, use) => sum + use.childrenMicros, 0) };
}

function readCpuUse(pid: number): CpuUse {
  const own = readProcess(pid)!;
  const children = descendantsOf(pid).flatMap((child) => readProcess(child) ?? []);
  // A child that has ended counts on in the process that waited for it.
  const childrenMicros = children.reduce((sum, child) => sum + child.micros + child.endedChildrenMicros, own.endedChildrenMicros);
  return { ownMicros: own.micros, childrenMicros };
}

export function descendantsOf(pid: number): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number);
  const childrenOf = Map.groupBy(pids, (one) => readProcess(one)?.parent);
  const below = (parent: number): number[] => (childrenOf.get(parent) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(pid);
}

interface ProcessTimes {
  readonly parent: number;
  readonly micros: number;
  readonly endedChildrenMicros: number;
}

/** Undefined when the process is gone. */
function readProcess(pid: number): ProcessTimes | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The fields of proc(5) from the third on; the second, the program's name, may have spaces in it.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number);
  const field = (number: number): number => fields[number - 3]!;
  const micros = (ticks: number): number => (ticks * 1_000_000) / ticksPerSecond;
  return { parent: field(4), micros: micros(field(14) + field(15)), endedChildrenMicros: micros(field(16) + field(17)) };
}
