/** Owns the table of the coding agents that are tried: which versions, and how each is asked without a terminal. */

export interface CodingAgent {
  /** The heading of its section in docs/agents.md. */
  readonly name: string;
  /** The package of npm. */
  readonly package: string;
  readonly version: string;
  /** The value of the label `application` that it sends. */
  readonly application: string;
  /** The program, and the words by which it carries out one task, with its shell, and ends. */
  readonly command: readonly string[];
  /** The tool by which its model runs a command. */
  readonly shell: { readonly name: string; input(command: string): object };
  /** What a vendor may refuse it: it then asks again in other words. */
  readonly saysOtherwise?: string;
}

const task = "What does the gauge say?";

export const agents: readonly CodingAgent[] = [
  {
    name: "Claude Code",
    package: "@anthropic-ai/claude-code",
    version: "2.1.330",
    application: "claude-code",
    command: ["claude", "-p", task, "--allowedTools", "Bash"],
    shell: { name: "Bash", input: (command) => ({ command, description: "Reads the gauge" }) },
    saysOtherwise: "role 'system' is not supported on this model",
  },
  {
    name: "Codex",
    package: "@openai/codex",
    version: "0.169.0",
    application: "codex",
    command: ["codex", "exec", "--dangerously-bypass-approvals-and-sandbox", task],
    shell: { name: "exec_command", input: (command) => ({ cmd: command }) },
  },
  {
    name: "Gemini CLI",
    package: "@google/gemini-cli",
    version: "0.61.0",
    application: "gemini-cli",
    command: ["gemini", "-y", "--skip-trust", "-p", task],
    shell: { name: "run_shell_command", input: (command) => ({ command }) },
  },
  {
    name: "opencode",
    package: "opencode-ai",
    version: "1.18.33",
    application: "opencode",
    command: ["opencode", "run", task],
    shell: { name: "bash", input: (command) => ({ command, description: "Reads the gauge" }) },
  },
  {
    name: "Qwen Code",
    package: "@qwen-code/qwen-code",
    version: "0.24.4",
    application: "qwen-code",
    command: ["qwen", "-y", "-p", task],
    shell: { name: "run_shell_command", input: (command) => ({ command, is_background: false }) },
  },
  {
    name: "Continue",
    package: "@continuedev/cli",
    version: "1.5.47",
    application: "continue",
    command: ["cn", "--auto", "-p", task],
    shell: { name: "Bash", input: (command) => ({ command }) },
  },
];
