// Small pictures, drawn with lines in the colour of the text beside them.

import type { JSX } from "preact";

const PATHS = {
  overview: "M4 13h5v7H4zM15 4h5v16h-5zM9.5 8.5h5V20h-5z",
  health: "M3 12h4l3-8 4 16 3-8h4",
  cost: "M12 3v18M16.5 7.5C16 6 14.5 5.5 12 5.5c-2.7 0-4.5 1.2-4.5 3.2 0 4.6 9.5 1.9 9.5 6.6 0 2-2 3.2-4.8 3.2-2.7 0-4.7-1-5.2-2.8",
  keys: "M14.5 9.5a4 4 0 1 0-4 4c.6 0 1.2-.1 1.7-.4L14 15h2v2h2v2h3v-3l-6.8-5.3c.2-.4.3-.8.3-1.2zM9.5 8.5h.01",
  providers: "M4 5h16v6H4zM4 13h16v6H4zM8 8h.01M8 16h.01",
  traffic: "M4 4h4v4H4zM10 4h4v4h-4zM16 4h4v4h-4zM4 10h4v4H4zM10 10h4v4h-4zM16 10h4v4h-4zM4 16h4v4H4zM10 16h4v4h-4zM16 16h4v4h-4z",
  requests: "M4 6h16M4 12h16M4 18h10",
  anomalies: "M12 4 2.5 20h19zM12 10v4M12 17h.01",
  alerts: "M6 16V11a6 6 0 1 1 12 0v5l2 2H4zM10 21h4",
  teams: "M12 4l8 4-8 4-8-4zM4 12l8 4 8-4M4 16l8 4 8-4",
  users: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.6-4 3.2-6 6.5-6s5.9 2 6.5 6M16 4.5a3.5 3.5 0 0 1 0 6.5M18 14.5c2 .8 3.2 2.7 3.5 5.5",
  routes: "M5 6h4c5 0 5 12 10 12M5 18h4c5 0 5-12 10-12M16 3l3 3-3 3M16 15l3 3-3 3",
  prices: "M4 12V4h8l8 8-8 8zM8.5 8.5h.01",
  settings: "M4 7h9M19 7h1M4 17h1M11 17h9M16 4.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM8 14.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z",
  play_ground: "M4 5h16v11H9l-5 4z",
  setup: "M8 7l-5 5 5 5M16 7l5 5-5 5M13.5 5l-3 14",
  audit: "M6 3h9l4 4v14H6zM9 12h7M9 16h7M9 8h3",
  quotas: "M4 17a8 8 0 1 1 16 0M12 17l4-5",
  nodes: "M9 3h6v5H9zM3 16h6v5H3zM15 16h6v5h-6zM12 8v4M6 16v-4h12v4",
  revisions: "M4 12a8 8 0 1 0 2.5-5.8M4 4v4h4M12 8v4l3 2",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6 6 18",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
  system: "M4 5h16v11H4zM9 20h6M12 16v4",
  out: "M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "M5 12.5l4.5 4.5L19 7.5",
  pause: "M8 5v14M16 5v14",
  play: "M8 5l11 7-11 7z",
  plus: "M12 5v14M5 12h14",
  external: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
