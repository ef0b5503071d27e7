/** Owns how a run is shown: Markdown of one screen. */
import { Figures, ratios, type Gateway, type PerRound, type Phase, type Target } from "./figures.ts";
import { loads, type LoadName, type Quantiles } from "./loads.ts";
import { median } from "./statistics.ts";

export interface Run {
  readonly commit: string;
  readonly machine: string;
  readonly placement: string;
  readonly rounds: number;
  readonly phaseMs: number;
  /** Phases that were played again because the machine was slow, and those that were kept although it was. */
  readonly repeatedPhases: number;
  readonly slowPhases: number;
  /** The p50 of one sync of the data directory's disk, round by round. */
  readonly syncsMs: PerRound;
  readonly phases: readonly Phase[];
  readonly checks: readonly Check[];
  /** Why the figures cannot be used. */
  readonly failures: readonly string[];
}

/** Something that was counted twice, by those who sent and by those who took. */
export interface Check {
  readonly name: string;
  readonly found: number;
  readonly expected: number;
}

const gateways: readonly Gateway[] = ["pipe", "together", "apart"];
const loadNames = Object.keys(loads) as LoadName[];

export function markdown(run: Run): string {
  const figures = new Figures(run.phases);
  return [
    `# What Weir costs, commit ${run.commit}`,
    `${run.machine}. ${run.placement}. ${run.rounds} rounds of ${run.phaseMs} ms a phase; ${run.repeatedPhases} phases played again because the machine was slow, ${run.slowPhases} kept although it was. Median (lowest–highest round). Compare ratios alone with another run.`,
    cpuTable(figures),
    latencyTable(figures),
    goalTable(figures, run.syncsMs),
    readsLine(figures),
    checkLines(run),
  ].join("\n\n");
}

function cpuTable(figures: Figures): string {
  const rows = loadNames.flatMap((load) => {
    const { chunks, name } = loads[load];
    const cpus = gateways.map((gateway) => figures.cpu(load, gateway));
    const postgres = figures.perRound(load, "together", (phase) => phase.childrenCpuMicros!);
    const rates = gateways.map((gateway) => show(figures.perRound(load, gateway, (phase) => (phase.replies * 1_000) / phase.elapsedMs), 0));
    const row = [name, ...cpus.map((cpu) => show(cpu, 0)), show(figures.cpuRatio(load, "together"), 2), show(figures.cpuRatio(load, "apart"), 2), show(postgres, 0), ...rates];
    const each = (values: PerRound): string => show(values.map((value) => value / chunks), 1);
    return chunks === 0 ? [row] : [row, [`… per chunk (÷ ${chunks})`, ...cpus.map(each), "", "", each(postgres), "", "", ""]];
  });
  const further = gateways.map((gateway) => figures.cpuOfFurtherChunk(gateway));
  const [pipe, together, apart] = further as [PerRound, PerRound, PerRound];
  const furtherChunk = ["each further chunk, 32 at once", ...further.map((cpu) => show(cpu, 1)), show(ratios(together, pipe), 2), show(ratios(apart, pipe), 2), "", "", "", ""];
  return table(["CPU µs per reply", "pipe", "together", "apart", "together ÷ pipe", "apart ÷ pipe", "PostgreSQL beside", "pipe, replies/s", "together", "apart"], [...rows, furtherChunk]);
}

function latencyTable(figures: Figures): string {
  const rows = loadNames.flatMap((load) => {
    const { name, chunks } = loads[load];
    const whole = latencyRow(figures, load, name, (phase) => phase.latencyMs);
    return chunks === 0 ? [whole] : [latencyRow(figures, load, `${name}: first byte`, (phase) => phase.firstByteMs), [`… last byte`, ...whole.slice(1)]];
  });
  return table(["ms", "direct p50", "p99", "pipe adds p50", "p99", "together adds p50", "p99", "apart adds p50", "p99"], rows);
}

function latencyRow(figures: Figures, load: LoadName, name: string, quantiles: (phase: Phase) => Quantiles): string[] {
  const both = (values: (figure: (phase: Phase) => number) => PerRound): PerRound[] => [values((phase) => quantiles(phase).p50), values((phase) => quantiles(phase).p99)];
  const direct = both((figure) => figures.perRound(load, "direct", figure));
  const added = gateways.flatMap((gateway) => both((figure) => figures.added(load, gateway, figure)));
  return [name, ...[...direct, ...added].map((values) => show(values, 2))];
}

function goalTable(figures: Figures, syncsMs: PerRound): string {
  const rows = figures.goals(syncsMs).map(({ name, perRound, bound, met }) => [name, show(perRound, 2), `≤ ${bound.toFixed(2)}`, met ? "met" : "**missed**"]);
  return `${table(["goal", "Weir", "bound", ""], rows)}\n\nOne sync (fdatasync of 512 bytes on the data directory's disk): ${show(syncsMs, 2)} ms at p50.`;
}

function readsLine(figures: Figures): string {
  const reads = (target: Target): string => show(figures.perRound("streamsAtOnce", target, (phase) => phase.readsPerReply), 1);
  return `Reads in which a stream of ${loads.streamsAtOnce.chunks} chunks came, 32 at once: ${reads("direct")} directly, ${reads("pipe")} from the pipe, ${reads("together")} from Weir together, ${reads("apart")} apart. Where chunks are joined, a stream is cheaper.`;
}

function checkLines({ checks, failures }: Run): string {
  const counted = checks.map(({ name, found, expected }) => `${name} ${found} of ${expected}`).join(" · ");
  const verdict = failures.length === 0 ? "Every reply had status 200 and the upstream's bytes." : `**Do not use these figures:**\n\n${failures.map((failure) => `- ${failure}`).join("\n")}`;
  return `Counted: ${counted}. ${verdict}`;
}

function show(values: PerRound, digits: number): string {
  const text = (value: number): string => value.toFixed(digits);
  return values.length === 1 ? text(values[0]!) : `${text(median(values))} (${text(Math.min(...values))}–${text(Math.max(...values))})`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
