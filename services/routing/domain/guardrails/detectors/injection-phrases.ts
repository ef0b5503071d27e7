/**
 * Owns by which phrases texts try to take over a model, language by language: to do away with what it was told, or to have it told. What is
 * known of them is from collections such as https://huggingface.co/datasets/deepset/prompt-injections and https://genai.owasp.org/llmrisk/llm01-prompt-injection/.
 */

import type { Phrase, Slot } from "./phrases.ts";

/** What does away with what a model was told, in the order of the language; `…` for any ending. */
interface Overriding {
  /** `ignore`. */
  readonly verbs: readonly string[];
  /** `previous`. */
  readonly which: readonly string[];
  /** `instructions`. */
  readonly nouns: readonly string[];
  /** The verb stands last. */
  readonly verbLast?: boolean;
  /** Words are written without spaces. */
  readonly unspaced?: boolean;
}

const overriding: readonly Overriding[] = [
  {
    verbs: ["ignore", "ignoring", "disregard…", "forget", "override", "overlook", "bypass", "neglect", "discard", "do not follow", "don't follow", "do not obey", "don't obey", "stop following", "pay no attention to"],
    which: ["previous…", "prior", "above", "earlier", "preceding", "all", "any", "your", "system", "original", "initial", "former", "foregoing", "past", "other"],
    nouns: ["instruction", "instructions", "prompt", "prompts", "rules", "guidelines", "directions", "directives", "commands", "guardrails", "constraints", "programming"],
  },
  {
    verbs: ["ignorier…", "missachte…", "vergiss", "vergesse…", "umgeh…", "überschreib…", "verwirf"],
    which: ["vorherig…", "vorig…", "vorangegangen…", "vorangehend…", "bisherig…", "obig…", "früher…", "alle…", "sämtlich…", "deine…", "ihre…", "ursprünglich…", "system"],
    nouns: ["anweisung…", "instruktion…", "regeln", "vorgaben", "befehle…", "richtlinien", "prompt…", "systemprompt…", "systemanweisung…"],
  },
  {
    verbs: ["ignore", "ignorez", "ignorer", "oublie", "oubliez", "oublier", "contourne…", "ne tiens pas compte", "ne tenez pas compte", "ne tiens plus compte", "fais abstraction", "faites abstraction"],
    which: ["précédent…", "antérieur…", "ci-dessus", "toutes", "tous", "tes", "vos", "initiales", "système"],
    nouns: ["instructions", "consignes", "règles", "directives", "ordres"],
  },
  {
    verbs: ["ignora", "ignore", "ignorad", "ignorar", "ignoren", "olvida", "olvide", "olviden", "olvidar", "haz caso omiso", "haga caso omiso", "no hagas caso", "descarta", "desatiende"],
    which: ["anterior…", "previas", "previos", "arriba", "todas", "todos", "tus", "sus", "sistema", "iniciales"],
    nouns: ["instrucciones", "reglas", "indicaciones", "órdenes", "directrices", "normas"],
  },
  {
    verbs: ["ignore", "ignora", "ignorar", "ignorem", "esqueça", "esquece", "esquecer", "desconsidere", "desconsidera", "descarte"],
    which: ["anterior…", "prévias", "acima", "todas", "suas", "tuas", "sistema", "iniciais"],
    nouns: ["instruções", "regras", "diretrizes", "orientações", "ordens", "comandos"],
  },
  {
    verbs: ["ignora", "ignorate", "ignori", "ignorare", "dimentica", "dimenticate", "dimenticare", "trascura", "non seguire", "non tenere conto"],
    which: ["precedent…", "sopra", "tutte", "tue", "vostre", "sistema", "iniziali"],
    nouns: ["istruzioni", "regole", "direttive", "indicazioni", "ordini", "comandi"],
  },
  {
    verbs: ["negeer", "vergeet", "omzeil"],
    which: ["vorige", "eerdere", "voorgaande", "bovenstaande", "alle", "je", "jouw", "uw"],
    nouns: ["instructies", "regels", "opdrachten", "aanwijzingen", "richtlijnen"],
  },
  {
    verbs: ["ignorera", "bortse från", "glöm", "strunta i"],
    which: ["tidigare", "föregående", "ovanstående", "alla", "dina"],
    nouns: ["instruktioner…", "regler…", "anvisningar…"],
  },
  {
    verbs: ["zignoruj…", "ignoruj…", "zapomnij…", "pomiń…"],
    which: ["poprzedni…", "wcześniejsz…", "powyższ…", "wszystki…", "swoj…"],
    nouns: ["instrukcj…", "poleceni…", "poleceń", "zasad…", "wytyczn…", "reguł…"],
  },
  {
    verbs: ["игнорируй…", "проигнорируй…", "забудь…", "не следуй…", "отбрось…"],
    which: ["предыдущ…", "прежн…", "вышеизложенн…", "выше", "все", "свои", "твои", "системн…"],
    nouns: ["инструкци…", "правил…", "указани…", "команд…", "промпт…"],
  },
  {
    verbs: ["ігноруй…", "проігноруй…", "забудь…"],
    which: ["попередні…", "вищезазначен…", "всі", "усі", "свої"],
    nouns: ["інструкці…", "правил…", "вказівк…"],
  },
  {
    verbs: ["abaikan", "lupakan"],
    which: ["sebelumnya", "di atas", "semua", "sistem"],
    nouns: ["instruksi", "perintah", "aturan", "petunjuk", "arahan"],
  },
  {
    verbs: ["bỏ qua", "phớt lờ", "quên"],
    which: ["trước", "trước đó", "ở trên", "tất cả", "mọi"],
    nouns: ["hướng dẫn", "chỉ thị", "lệnh", "quy tắc", "chỉ dẫn"],
  },
  {
    verbs: ["تجاهل", "انس", "لا تتبع"],
    which: ["السابقة", "أعلاه", "جميع", "كل"],
    nouns: ["التعليمات", "تعليماتك", "الأوامر", "القواعد", "الإرشادات"],
  },
  {
    verbs: ["yok say…", "unut…", "görmezden gel…", "göz ardı et…", "dikkate alma…"],
    which: ["önceki", "tüm", "bütün", "yukarıdaki"],
    nouns: ["talimat…", "kural…", "komut…", "yönerge…"],
    verbLast: true,
  },
  {
    verbs: ["अनदेखा", "अनदेखी", "नज़रअंदाज़", "भूल", "उपेक्षा"],
    which: ["पिछले", "पिछली", "उपरोक्त", "सभी", "पहले"],
    nouns: ["निर्देश…", "नियम…", "आदेश…"],
    verbLast: true,
  },
  {
    verbs: ["忽略", "无视", "無視", "忽视", "忽視", "忘记", "忘記", "忘掉", "不要理会", "不要理會", "不用理会"],
    which: ["之前", "以上", "上述", "先前", "前面", "上面", "所有", "一切", "你的", "系统", "系統"],
    nouns: ["指令", "指示", "提示", "规则", "規則", "命令"],
    unspaced: true,
  },
  {
    verbs: ["無視", "忘れ", "従わない", "従うな", "破棄"],
    which: ["以前", "これまで", "上記", "前の", "すべて", "全て", "あなたの", "システム"],
    nouns: ["指示", "命令", "ルール", "プロンプト", "指令", "規則"],
    verbLast: true,
    unspaced: true,
  },
  {
    verbs: ["무시…", "잊어…", "잊고…", "따르지…"],
    which: ["이전…", "위의", "앞의", "모든", "기존…", "시스템…"],
    nouns: ["지시…", "명령…", "지침…", "규칙…", "프롬프트…"],
    verbLast: true,
  },
];

/** Word by word, each one of several; `?` at the end where it may be missing. */
const others: readonly (readonly string[])[] = [
  ["reveal|show|print|repeat|output|display|leak|disclose|expose|give|tell|recite|dump", "me|us?", "your|the", "full|entire|exact|complete|original|own?", "system|hidden|secret|initial|internal|confidential", "prompt|instructions|message|rules|guidelines"],
  ["repeat|print|output|copy|recite", "everything|the words|the text|all the text|all text|all of the text|what is written|the content", "above|before this"],
  ["you are now|from now on you are|act as|behave as|pretend to be|you will be", "a|an|my|the?", "dan|stan|evil|unrestricted|uncensored|unfiltered|jailbroken|amoral|unlimited"],
  ["do anything now"],
  ["developer|debug|god|sudo|jailbreak|dan|admin|maintenance", "mode", "is|has been|now?", "enabled|activated|engaged|unlocked"],
  ["you are now in|you are in|answer in|respond in", "developer|god|jailbreak|dan|sudo|unrestricted", "mode"],
  ["enter|enable|activate|switch to", "god|jailbreak|dan|sudo|unrestricted", "mode"],
  ["ignore|disregard|forget", "everything|anything|all|whatever|what", "that?", "you were|you have been|you've been|was", "told|instructed|taught|said"],
  ["ignore|disregard|forget", "everything|all of the text|all text|the text", "above|before this"],
  ["you have|you now have|pretend you have|pretend that you have|imagine you have", "no", "restrictions|rules|guidelines|limitations|limits|filters|constraints"],
  ["you are|you're", "no longer|not", "bound|restricted|constrained|limited", "by"],
  ["new|updated|real|actual", "system", "prompt|instructions|instruction|directive|message"],
  ["zeig|zeige|verrate|nenne|gib|verrat", "mir|uns?", "deinen|deine|ihren|ihre|den", "system prompt|systemprompt|systemanweisungen|geheimen anweisungen|versteckten anweisungen|internen anweisungen"],
  ["révèle|révélez|montre|montrez|affiche|affichez|donne", "moi?", "ton|votre|tes|vos|le", "prompt système|instructions système|instructions secrètes|instructions cachées|instructions internes"],
  ["muestra|muéstrame|revela|revélame|dime|enséñame", "me?", "tu|tus|su|sus|el", "prompt del sistema|prompt de sistema|instrucciones del sistema|instrucciones ocultas|instrucciones secretas|instrucciones internas"],
  ["mostre|revele|mostra|revela|diga", "me?", "seu|suas|o|teu|tuas", "prompt do sistema|prompt de sistema|instruções do sistema|instruções ocultas|instruções secretas"],
  ["покажи|раскрой|выведи|назови", "мне?", "свой|свои|твой", "системный промпт|системные инструкции|скрытые инструкции|секретные инструкции"],
];

/** Who says not to is no attacker; `t` is of `don't`. */
const negations: ReadonlySet<string> = new Set(["not", "never", "t", "nicht", "nie", "niemals", "no", "nunca", "nao", "non", "niet", "inte", "не"]);

export const injectionPhrases: readonly Phrase[] = [...overriding.flatMap(orders), ...others.map(wordByWord)];

function orders({ verbs, which, nouns, verbLast = false, unspaced = false }: Overriding): Phrase[] {
  const gap = unspaced ? 10 : 4;
  const phrase = (first: readonly string[], ...rest: readonly (readonly string[])[]): Phrase => ({
    slots: [{ words: first, gap: 0 }, ...rest.map((words) => ({ words, gap }))],
    notAfter: negations,
  });
  return verbLast ? [phrase(which, nouns, verbs)] : [phrase(verbs, which, nouns), phrase(verbs, nouns, which)];
}

function wordByWord(places: readonly string[]): Phrase {
  return { slots: places.map((words): Slot => ({ words: words.replace("?", "").split("|"), gap: 0, isOptional: words.endsWith("?") })), notAfter: negations };
}
