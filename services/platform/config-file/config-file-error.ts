/** Owns the one error of the configuration file: all that is wrong with it, each fault with its place. */

/** One fault. */
export interface ConfigProblem {
  /** Counted from 1; 0 when the fault is of the file as a whole. */
  readonly line: number;
  /** Counted from 1; 0 when the fault is of the file as a whole. */
  readonly column: number;
  /** Such as `providers.openai.base_url`; empty when the fault is of the file as a whole, or of its YAML. */
  readonly field: string;
  /** What is wrong and what to write instead; never a value that may be secret. */
  readonly message: string;
}

const maximumListedProblems = 100;

/** A configuration file that cannot be used; the message has a line for each fault, such as `weir.yaml:12: listen.port: …`. */
export class ConfigFileError extends Error {
  readonly path: string;
  /** In the order in which they stand in the file; at least one. */
  readonly problems: readonly ConfigProblem[];

  /** `cause` is the system's error when the file could not be read. */
  constructor(path: string, problems: readonly ConfigProblem[], cause?: unknown) {
    super(describe(path, problems), cause === undefined ? undefined : { cause });
    this.name = "ConfigFileError";
    this.path = path;
    this.problems = problems;
  }
}

function describe(path: string, problems: readonly ConfigProblem[]): string {
  const lines = problems.slice(0, maximumListedProblems).map(({ line, field, message }) => {
    const place = line === 0 ? path : `${path}:${line}`;
    return field === "" ? `${place}: ${message}` : `${place}: ${field}: ${message}`;
  });
  const unlisted = problems.length - lines.length;
  if (unlisted > 0) lines.push(`${path}: … and ${unlisted} more faults`);
  return lines.join("\n");
}
