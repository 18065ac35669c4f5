// The frame around every page: where one can go, the time it is about, and who is signed in.

import type { ComponentType, JSX } from "preact";
import { useEffect, useId, useState } from "preact/hooks";
import { Icon, type IconName } from "./part/icon.tsx";
import { Preferences } from "./part/preferences.tsx";
import { RangePicker } from "./part/range-picker.tsx";
import { Alerts } from "./page/alerts.tsx";
import { Anomalies } from "./page/anomalies.tsx";
import { Audit } from "./page/audit.tsx";
import { Cost } from "./page/cost.tsx";
import { HealthPage } from "./page/health.tsx";
import { Keys } from "./page/keys.tsx";
import { Mine } from "./page/mine.tsx";
import { Nodes } from "./page/nodes.tsx";
import { Overview } from "./page/overview.tsx";
import { Playground } from "./page/playground.tsx";
import { Prices } from "./page/prices.tsx";
import { Providers } from "./page/providers.tsx";
import { Quotas } from "./page/quotas.tsx";
import { Requests } from "./page/requests.tsx";
import { Revisions } from "./page/revisions.tsx";
import { Routes } from "./page/routes.tsx";
import { Settings } from "./page/settings.tsx";
import { Setup } from "./page/setup.tsx";
import { SignIn } from "./page/sign-in.tsx";
import { Teams } from "./page/teams.tsx";
import { Traffic } from "./page/traffic.tsx";
import { Users } from "./page/users.tsx";
import { address, go, href } from "./state/address.ts";
import { forgetLive } from "./state/live.ts";
import { forget } from "./state/query.ts";
import { isOfPlatform, mayAudit, recall, signOut, who } from "./state/session.ts";
import { t, type Word } from "./text/text.ts";

interface Page {
  /** In the URL. */
  path: string;
  word: Word;
  icon: IconName;
  page: ComponentType;
  /** Whether it is about a time. */
  hasRange: boolean;
  /** Whether somebody may see it; everybody where it is not said. */
  may?: () => boolean;
}

/** Pages that belong together. */
interface Section {
  word: Word;
  pages: readonly Page[];
}

const TOOLS: readonly Page[] = [
  { path: "playground", word: "play", icon: "play_ground", page: Playground, hasRange: false },
  { path: "setup", word: "setup", icon: "setup", page: Setup, hasRange: false },
];

/** What the holder of an application key sees. */
const HOLDERS: readonly Section[] = [{ word: "mine", pages: [{ path: "mine", word: "mine", icon: "keys", page: Mine, hasRange: false }, ...TOOLS] }];

const SECTIONS: readonly Section[] = [
  {
    word: "section.watch",
    pages: [
      { path: "overview", word: "overview", icon: "overview", page: Overview, hasRange: true },
      { path: "traffic", word: "traffic", icon: "traffic", page: Traffic, hasRange: true },
      { path: "requests", word: "log", icon: "requests", page: Requests, hasRange: true },
      { path: "health", word: "health", icon: "health", page: HealthPage, hasRange: false, may: isOfPlatform },
      { path: "cost", word: "cost", icon: "cost", page: Cost, hasRange: true },
      { path: "anomalies", word: "anomalies", icon: "anomalies", page: Anomalies, hasRange: false },
      { path: "alerts", word: "alerts", icon: "alerts", page: Alerts, hasRange: false },
    ],
  },
  {
    word: "section.who",
    pages: [
      { path: "keys", word: "keys", icon: "keys", page: Keys, hasRange: false },
      { path: "teams", word: "teams", icon: "teams", page: Teams, hasRange: false },
      { path: "users", word: "users", icon: "users", page: Users, hasRange: false, may: mayAudit },
      { path: "quotas", word: "quotas", icon: "quotas", page: Quotas, hasRange: false },
    ],
  },
  {
    word: "section.where",
    pages: [
      { path: "providers", word: "providers", icon: "providers", page: Providers, hasRange: false, may: isOfPlatform },
      { path: "routes", word: "routes", icon: "routes", page: Routes, hasRange: false },
      { path: "prices", word: "prices", icon: "prices", page: Prices, hasRange: false },
    ],
  },
  {
    word: "section.tools",
    pages: TOOLS,
  },
  {
    word: "section.system",
    pages: [
      { path: "nodes", word: "nodes", icon: "nodes", page: Nodes, hasRange: false, may: isOfPlatform },
      { path: "revisions", word: "revisions", icon: "revisions", page: Revisions, hasRange: true, may: mayAudit },
      { path: "audit", word: "audit", icon: "audit", page: Audit, hasRange: true, may: mayAudit },
      { path: "settings", word: "settings", icon: "settings", page: Settings, hasRange: false, may: isOfPlatform },
    ],
  },
];

function sections(): readonly Section[] {
  return who.value?.kind === "holder" ? HOLDERS : SECTIONS;
}

function present(): Page | undefined {
  const { page } = address.value;
  const pages = sections().flatMap(({ pages }) => pages);
  return page === "" || page === "index.html" ? pages[0] : pages.find((one) => one.path === page.split("/")[0]);
}

export function App(): JSX.Element {
  useEffect(() => void recall(), []);
  const somebody = who.value;
  useEffect(() => {
    if (somebody?.kind !== "nobody") return;
    forget();
    forgetLive();
  }, [somebody?.kind]);
  if (somebody === undefined) return <div class="door" role="status" aria-label={t("loading")} />;
  return somebody.kind === "nobody" ? <SignIn /> : <Frame />;
}

/** Follows links of the console without loading it anew. */
function follow(event: MouseEvent): void {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !isPlain || link.origin !== window.location.origin || !link.pathname.startsWith("/console/")) return;
  event.preventDefault();
  go(link.pathname + link.search);
}

function Frame(): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const page = present();
  const title = page ? t(page.word) : t("nowhere");
  useEffect(() => {
    document.title = `${title} · NexusAI`;
  }, [title]);
  useEffect(() => setOpen(false), [page?.path]);
  return (
    <div class="frame" onClick={follow} onKeyDown={(event) => event.key === "Escape" && setOpen(false)}>
      <a class="skip" href="#main" onClick={(event) => (event.stopPropagation(), event.preventDefault(), document.getElementById("main")?.focus())}>
        {t("skip")}
      </a>
      <nav class={isOpen ? "nav is-open" : "nav"} id="nav" aria-label={t("navigation")}>
        <a class="brand" href={href("")}>
          <img src="/console/icon.svg" alt="" width={28} height={28} />
          <span>NexusAI</span>
        </a>
        {sections().map((section) => (
          <NavSection key={section.word} of={section} now={page} />
        ))}
        {who.value?.kind !== "holder" && (
          <a class="nav-foot" href="/admin/v1/reference" target="_blank" rel="noreferrer">
            <Icon name="external" />
            {t("reference")}
          </a>
        )}
      </nav>
      {isOpen && <button type="button" class="veil" aria-label={t("close")} onClick={() => setOpen(false)} />}
      <div class="body">
        <header class="top">
          <button type="button" class="button ghost menu" aria-label={t("navigation")} aria-expanded={isOpen} aria-controls="nav" onClick={() => setOpen(!isOpen)}>
            <Icon name={isOpen ? "close" : "menu"} />
          </button>
          <h1>{title}</h1>
          <div class="top-end">
            <Preferences />
            <Somebody />
          </div>
        </header>
        {page?.hasRange && <RangePicker />}
        <main id="main" tabIndex={-1}>
          {page ? <page.page key={page.path} /> : <p class="empty">{t("nowhere.note")}</p>}
        </main>
      </div>
    </div>
  );
}

function NavSection({ of, now }: { of: Section; now: Page | undefined }): JSX.Element | null {
  const id = useId();
  const pages = of.pages.filter((one) => one.may?.() ?? true);
  if (pages.length === 0) return null;
  return (
    <div class="nav-section">
      <p id={id}>{t(of.word)}</p>
      <ul aria-labelledby={id}>
        {pages.map((one) => (
          <li key={one.path}>
            <a href={href(one.path)} aria-current={one === now ? "page" : undefined}>
              <Icon name={one.icon} />
              {t(one.word)}
            </a>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Somebody(): JSX.Element {
  const somebody = who.value;
  const name = somebody?.kind === "user" ? somebody.user.name || somebody.user.email : somebody?.kind === "holder" ? somebody.name : t("admin_key");
  const detail = somebody?.kind === "user" ? `${somebody.user.email} · ${t(`role.${somebody.user.role}`)}` : t("sign_in.key_note");
  return (
    <>
      <span class="somebody" title={detail}>
        {name}
      </span>
      <button type="button" class="button ghost" aria-label={t("sign_out")} title={t("sign_out")} onClick={() => void signOut()}>
        <Icon name="out" />
      </button>
    </>
  );
}
