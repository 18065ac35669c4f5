// A treemap: what a whole is made of. A box leads on where there is something behind it.

import type { JSX } from "preact";
import { treemap } from "./treemap.ts";
import { useWidth } from "./width.ts";

export interface Part {
  key: string;
  name: string;
  value: number;
  /** The exact text of the value. */
  text: string;
  open?: (() => void) | undefined;
}

const HEIGHT = 240;
/** Below it a box has no room for words. */
const WORDS = { width: 70, height: 34 };

export function Treemap({ parts, label }: { parts: Part[]; label: string }): JSX.Element {
  const [ref, width] = useWidth<HTMLDivElement>();
  const shown = parts.filter((part) => part.value > 0);
  const boxes = treemap(shown.map((part) => part.value), width, HEIGHT);
  return (
    <div class="treemap" ref={ref} role="group" aria-label={label} style={{ height: `${HEIGHT}px` }}>
      {boxes.map(({ index, x, y, width, height }) => {
        const part = shown[index];
        if (!part) return null;
        const hasWords = width >= WORDS.width && height >= WORDS.height;
        const place = { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` };
        const words = hasWords && (
          <>
            <span>{part.name}</span>
            <b>{part.text}</b>
          </>
        );
        const shared = { class: `treemap-box tone-${(index % 8) + 1}${hasWords ? " has-words" : ""}`, style: place, title: `${part.name}: ${part.text}` };
        return part.open ? (
          <button type="button" key={part.key} {...shared} aria-label={`${part.name}: ${part.text}`} onClick={part.open}>
            {words}
          </button>
        ) : (
          <div key={part.key} {...shared}>
            {words}
          </div>
        );
      })}
    </div>
  );
}
