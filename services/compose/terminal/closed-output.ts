/** Owns the end of a command whose output nobody reads any more, as where it stands before `| head`. */

/** What a shell says of a program that SIGPIPE ended; Node has no such end. */
const exitCode = 141;

/** A command that goes on serving loses its words alone. */
export function endWhenOutputCloses(goesOn: boolean): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      if (!goesOn) process.exit(exitCode);
    });
  }
}
