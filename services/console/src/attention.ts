/** Owns whether someone is at the page: what it asks for by itself would keep a session alive that nobody uses. */
import { focusManager } from "@tanstack/react-query";

const attentionMs = 15 * 60_000;
const lookEveryMs = 60_000;
const signs = ["pointerdown", "pointermove", "keydown", "wheel"] as const;

/** From now on the page refreshes by itself only while it is seen and someone has moved in it lately; and at once when they come back. */
export function followAttention(): void {
  focusManager.setEventListener((attend) => {
    let lastSignMs = Date.now();
    const look = (): void => attend(document.visibilityState === "visible" && Date.now() - lastSignMs < attentionMs);
    const note = (): void => {
      lastSignMs = Date.now();
      look();
    };
    for (const sign of signs) addEventListener(sign, note, { passive: true });
    document.addEventListener("visibilitychange", look);
    const timer = setInterval(look, lookEveryMs);
    return () => {
      for (const sign of signs) removeEventListener(sign, note);
      document.removeEventListener("visibilitychange", look);
      clearInterval(timer);
    };
  });
}
