/** Owns what is done after each test file. */
import { afterAll } from "vitest";
import { killLeftovers } from "./weir-process.ts";

afterAll(killLeftovers);
