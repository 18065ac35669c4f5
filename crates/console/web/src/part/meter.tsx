// How full something is: what is used, and what is held beside it.

import type { JSX } from "preact";

/** From here on somebody should look. */
const HIGH = 0.8;

export function Meter({ used, held = 0, text }: { used: number; held?: number; text: string }): JSX.Element {
  const part = (share: number): string => `${(Math.min(1, Math.max(0, share)) * 100).toFixed(1)}%`;
  const tone = used >= 1 ? "bad" : used >= HIGH ? "warn" : "good";
  return (
    <span class="meter">
      <span class={`meter-line is-${tone}`} aria-hidden="true">
        <span style={{ width: part(used) }} />
        {held > 0 && <span class="is-held" style={{ width: part(Math.min(held, 1 - used)) }} />}
      </span>
      <span class="note">{text}</span>
    </span>
  );
}
