/** Owns what it means that JSON is nested so deeply that it can be parsed, and not be worked on: that is who sent it's doing, and no defect. */

/** What `read` returns. Throws `tooDeep()` where the stack does not reach to the bottom of what it reads. */
export function readNested<Result>(read: () => Result, tooDeep: () => Error): Result {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError && error.message === "Maximum call stack size exceeded") throw tooDeep();
    throw error;
  }
}
