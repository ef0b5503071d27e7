/** Owns finding attempts to take over a model: phrases of many languages, marks of chat templates, text that people do not see, and phrases in base64. */
import { inRuns, matchesOf, type Detector, type Find } from "./detector.ts";
import { injectionPhrases } from "./injection-phrases.ts";
import { phraseFinder } from "./phrases.ts";

const label = "INJECTION";
const anything = "\\s\\S";

const findPhrases = phraseFinder(injectionPhrases);
const phrases = inRuns({ label, isAsWritten: true, characters: anything, shortest: 4, longest: 256, find: findPhrases });

/**
 * Marks by which chat templates tell turns apart, which no caller writes: ChatML, Llama 2 and 3, Gemma, Phi, and the headings of early
 * instruction models. https://huggingface.co/docs/transformers/chat_templating
 */
const templateMark = /<\|(?:im_start|im_end|im_sep|system|user|assistant|endoftext|start_header_id|end_header_id|begin_of_text|eot_id|eom_id|end_of_turn|end)\|>|<(?:start|end)_of_turn>|\[\/?INST\]|<<\/?SYS>>|(?<![^\n])#{2,4} ?(?:[Ss]ystem|SYSTEM|[Ii]nstruction|INSTRUCTION)(?: [Pp]rompt)?:/g;
const templateMarks = inRuns({ label, isAsWritten: true, characters: anything, shortest: 5, longest: 32, find: (run) => matchesOf(templateMark, run) });

/** More tags, variation selectors or characters without a width than any script or emoji needs; a flag's tags, which are at most six, end with one that says so. */
const hidden = /(?:[\u{E0000}-\u{E007E}]{7,}|[\u{E0000}-\u{E007E}]{3,6}(?![\u{E0000}-\u{E007F}]))\u{E007F}?|[\uFE00-\uFE0F\u{E0100}-\u{E01EF}]{4,}|[\u200B-\u200D\u2060-\u2064\uFEFF]{8,}/gu;
const hiddenText = inRuns({ label, isAsWritten: true, characters: "\\u200B-\\u200D\\u2060-\\u2064\\uFEFF\\uFE00-\\uFE0F\\uDB40\\uDC00-\\uDDEF", shortest: 4, longest: 2_048, find: (run) => matchesOf(hidden, run) });

const encodedPhrases = inRuns({ label, isAsWritten: true, characters: "A-Za-z0-9+/_=-", shortest: 24, longest: 2_048, find: findEncoded });

export const promptInjection: readonly Detector[] = [phrases, templateMarks, hiddenText, encodedPhrases];

function findEncoded(run: string): Find[] {
  const text = Buffer.from(run, "base64").toString("utf8");
  // What is not text was none before.
  return text.includes("\uFFFD") || findPhrases(text).length === 0 ? [] : [{ start: 0, end: run.length }];
}
