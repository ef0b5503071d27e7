/** Owns what is read out of the phases of a run: figures per round, what a gateway adds, and the goals. */
import type { LoadName, LoadResult } from "./loads.ts";
import { loads } from "./loads.ts";
import { median } from "./statistics.ts";

/** `together` is Weir in one process, `apart` each service in one of its own, over gRPC. */
export type Target = "direct" | "pipe" | "together" | "apart";
export type Gateway = Exclude<Target, "direct">;

/** One load against one target in one round. */
export interface Phase extends LoadResult {
  readonly round: number;
  readonly load: LoadName;
  readonly target: Target;
  /** CPU of the gateway's own processes per reply; undefined for a direct call. */
  readonly cpuMicros: number | undefined;
  /** CPU of the processes they have started, which are PostgreSQL's, per reply. */
  readonly childrenCpuMicros: number | undefined;
  /** How much slower a fixed piece of work was on the gateway's CPU than at the run's best: 1 is best. */
  readonly slowness: number;
}

/** One figure, round by round. */
export type PerRound = readonly number[];

export interface Goal {
  readonly name: string;
  readonly perRound: PerRound;
  readonly bound: number;
  readonly met: boolean;
}

export class Figures {
  readonly #phases: readonly Phase[];

  constructor(phases: readonly Phase[]) {
    this.#phases = phases;
  }

  perRound(load: LoadName, target: Target, figure: (phase: Phase) => number): PerRound {
    return this.#phases.filter((phase) => phase.load === load && phase.target === target).map(figure);
  }

  cpu(load: LoadName, gateway: Gateway): PerRound {
    return this.perRound(load, gateway, (phase) => phase.cpuMicros!);
  }

  cpuRatio(load: LoadName, gateway: Gateway, other: Gateway = "pipe"): PerRound {
    return ratios(this.cpu(load, gateway), this.cpu(load, other));
  }

  /** What one more chunk costs: from two loads with as many chunks a second in unequally many streams. */
  cpuOfFurtherChunk(gateway: Gateway): PerRound {
    const short = this.cpu("shortStreamsAtOnce", gateway);
    const furtherChunks = loads.streamsAtOnce.chunks - loads.shortStreamsAtOnce.chunks;
    return this.cpu("streamsAtOnce", gateway).map((long, round) => (long - short[round]!) / furtherChunks);
  }

  /** What the gateway adds to a direct call of the same round. */
  added(load: LoadName, gateway: Gateway, figure: (phase: Phase) => number): PerRound {
    const direct = this.perRound(load, "direct", figure);
    return this.perRound(load, gateway, figure).map((value, round) => value - direct[round]!);
  }

  goals(syncsMs: PerRound): readonly Goal[] {
    const goal = (name: string, perRound: PerRound, bound: number): Goal => ({ name, perRound, bound, met: median(perRound) <= bound });
    const firstByteAdded = (gateway: Gateway): PerRound => this.added("streamsPaced", gateway, (phase) => phase.firstByteMs.p50);
    return [
      goal("together: CPU, times the pipe's: unary, saturated", this.cpuRatio("unarySaturated", "together"), 3),
      goal("together: CPU, times the pipe's: per chunk of SSE, 32 streams at once", this.cpuRatio("streamsAtOnce", "together"), 1.3),
      goal("together: CPU, times the pipe's: per chunk of SSE, translated, 32 at once", this.cpuRatio("translatedStreams", "together"), 2),
      goal("together: first byte, ms added at p50: 20 streams/s; 1 ms and one sync", firstByteAdded("together"), 1 + median(syncsMs)),
      goal("apart: CPU of all processes, times the pipe's: unary, saturated", this.cpuRatio("unarySaturated", "apart"), 8),
      goal("apart: CPU of all processes, times together's: SSE, 32 streams at once", this.cpuRatio("streamsAtOnce", "apart", "together"), 3),
      goal("apart: first byte, ms added at p50: 20 streams/s", firstByteAdded("apart"), 2.5),
    ];
  }
}

export function ratios(values: PerRound, others: PerRound): PerRound {
  return values.map((value, round) => value / others[round]!);
}
