/** Owns how many lines a list is told to show at most. */
import { InvalidArgumentError } from "commander";

export function readLimit(text: string): number {
  if (!/^[1-9][0-9]{0,4}$/.test(text)) throw new InvalidArgumentError("A number from 1 to 99999.");
  return Number(text);
}
