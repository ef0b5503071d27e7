/** Owns the processes of the bench: each kept to its CPUs where the machine can do that, each ended with the bench. */
import { execFileSync, spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { availableParallelism } from "node:os";

/** As taskset writes them. Weir, or the pipe, has the first CPU for itself; all else shares the others. */
export const gatewayCpus = "0";
export const otherCpus = availableParallelism() > 2 ? `1-${availableParallelism() - 1}` : "1";

export const canPin: boolean = [gatewayCpus, otherCpus].every((cpus) => works(cpus));

export interface NodeStart {
  readonly cpus: string;
  /** The file and its arguments. */
  readonly words: readonly string[];
  readonly stdio: StdioOptions;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export function startNode({ cpus, words, ...options }: NodeStart): ChildProcess {
  const [command, ...rest] = [...(canPin ? ["taskset", "--cpu-list", cpus] : []), process.execPath, ...words];
  return spawn(command!, rest, options);
}

/** Moves a running process, with all its threads. */
export function pin(cpus: string, pid: number): void {
  if (canPin) execFileSync("taskset", ["--all-tasks", "--cpu-list", "--pid", cpus, String(pid)], { stdio: "ignore" });
}

/** Nothing that a helper is asked takes longer. */
const answerWithinMs = 120_000;

/** A process of the bench that answers each message with one. It says once that it is ready, with its port if it has one. */
export class Helper<Question extends object, Answer> {
  readonly #child: ChildProcess;
  #port: number | undefined;

  static async start<Question extends object, Answer>(cpus: string, file: string, words: readonly string[] = []): Promise<Helper<Question, Answer>> {
    const path = new URL(file, import.meta.url).pathname;
    const helper = new Helper<Question, Answer>(startNode({ cpus, words: [path, ...words], stdio: ["ignore", "inherit", "inherit", "ipc"] }));
    helper.#port = ((await helper.#nextMessage()) as { port?: number }).port;
    return helper;
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get port(): number {
    return this.#port!;
  }

  async ask(question: Question): Promise<Answer> {
    const answer = this.#nextMessage();
    this.#child.send(question);
    return (await answer) as Answer;
  }

  stop(): void {
    if (this.#child.connected) this.#child.disconnect();
  }

  #nextMessage(): Promise<unknown> {
    const name = this.#child.spawnargs.join(" ");
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        clearTimeout(timeout);
        this.#child.off("message", onMessage).off("exit", onExit);
        end();
      };
      const onMessage = (message: unknown): void => settle(() => resolve(message));
      const onExit = (code: number | null): void => settle(() => reject(new Error(`A process of the bench ended with code ${code}: ${name}`)));
      const timeout = setTimeout(() => settle(() => reject(new Error(`A process of the bench did not answer within ${answerWithinMs} ms: ${name}`))), answerWithinMs);
      this.#child.on("message", onMessage).on("exit", onExit);
    });
  }
}

function works(cpus: string): boolean {
  try {
    execFileSync("taskset", ["--cpu-list", cpus, "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
