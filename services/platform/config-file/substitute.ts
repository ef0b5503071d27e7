/** Owns `${NAME}` in the configuration file: how text takes values, mostly secrets, from the environment. */

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Substitution {
  readonly text: string;
  /** What is wrong, one sentence for each fault; empty when all is well. Names variables, never their values. */
  readonly problems: readonly string[];
  /** A sentence for each variable that is not set; what refers to it stands in the text as it was. */
  readonly unset: readonly string[];
}

const reference = /\$\$\{|\$\{([^}]*)(\}?)/g;
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The text with each `${NAME}` replaced by the variable's value and each `$${` by `${`. */
export function substitute(text: string, environment: Environment): Substitution {
  const problems: string[] = [];
  const unset: string[] = [];
  const substituted = text.replace(reference, (match, name: string | undefined, end: string | undefined) => {
    if (name === undefined) return "${";
    if (end === "" || !variableName.test(name)) {
      problems.push("has a malformed ${…}; write ${NAME} for an environment variable, or $${ for the two characters ${");
      return match;
    }
    // The environment may be a plain object, whose prototype is no part of it.
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
    if (value === undefined) {
      unset.push(`takes its value from the environment variable ${name}, which is not set`);
      return match;
    }
    return value;
  });
  return { text: substituted, problems, unset };
}
