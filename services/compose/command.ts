/** Owns running the command with the words of this process. */
import { main } from "./main.ts";

void main(process.argv.slice(2));
