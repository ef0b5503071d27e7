/** Owns finding what an operator's own expression matches, within a line, in linear time. */
import { compilePattern } from "#platform/linear-pattern.ts";
import { inRuns, type Detector, type Find } from "./detector.ts";

/** Throws INVALID_REQUEST for an expression that RE2 does not have. */
export function patternDetector(source: string): Detector {
  const expression = compilePattern(source);
  return inRuns({
    label: "PATTERN",
    characters: "^\\n",
    shortest: 1,
    longest: 1_024,
    isAsWritten: true,
    *find(run): Iterable<Find> {
      const matcher = expression.matcher(run);
      while (matcher.find()) if (matcher.end() > matcher.start()) yield { start: matcher.start(), end: matcher.end() };
    },
  });
}
