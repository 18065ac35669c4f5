// The door: a password, an admin key, or an application key, which shows what is its own.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Problem } from "../api/http.ts";
import { Choice, Copy, why } from "../part/card.tsx";
import { Preferences } from "../part/preferences.tsx";
import { signIn, signInAsHolder, signInWithKey } from "../state/session.ts";
import { t } from "../text/text.ts";

const FIRST = "nexus user create --email you@example.com --role platform_admin --password-stdin";

const WAYS = ["password", "key", "holder"] as const;
type Way = (typeof WAYS)[number];

const WRONG = { password: "sign_in.wrong", key: "sign_in.wrong_key", holder: "sign_in.wrong_holder" } as const;
const FIELDS = { password: "password", key: "admin_key", holder: "sign_in.holder" } as const;

async function enter(way: Way, email: string, secret: string): Promise<void> {
  if (way === "password") return signIn(email, secret);
  return way === "key" ? signInWithKey(secret.trim()) : signInAsHolder(secret.trim());
}

export function SignIn(): JSX.Element {
  const [way, setWay] = useState<Way>("password");
  const [email, setEmail] = useState("");
  const [secret, setSecret] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      await enter(way, email, secret);
    } catch (error) {
      const isWrong = error instanceof Problem && error.status === 401;
      setProblem(isWrong ? t(WRONG[way]) : why(error));
      setBusy(false);
    }
  };
  const choose = (next: Way): void => {
    setWay(next);
    setSecret("");
    setProblem(undefined);
  };
  return (
    <div class="door">
      <div class="door-preferences">
        <Preferences />
      </div>
      <main class="door-card card">
        <img src="/console/icon.svg" alt="" width={44} height={44} />
        <h1>{t("sign_in")}</h1>
        <p class="note">{t("sign_in.note")}</p>
        <Choice label={t("sign_in.way")} of={WAYS} now={way} word={(one) => t(`sign_in.${one}`)} choose={choose} />
        <form onSubmit={(event) => void submit(event)}>
          {way === "password" && (
            <label class="field">
              <span>{t("email")}</span>
              <input type="email" name="email" autocomplete="username" required value={email} onInput={(event) => setEmail(event.currentTarget.value)} />
            </label>
          )}
          <label class="field">
            <span>{t(FIELDS[way])}</span>
            <input
              type="password"
              name={way}
              autocomplete={way === "password" ? "current-password" : "off"}
              required
              value={secret}
              onInput={(event) => setSecret(event.currentTarget.value)}
            />
          </label>
          {way === "holder" && <p class="note">{t("sign_in.holder_note")}</p>}
          {way !== "password" && <p class="note">{t("sign_in.key_note")}</p>}
          {problem !== undefined && (
            <p class="trouble" role="alert">
              {problem}
            </p>
          )}
          <button type="submit" class="button primary wide" disabled={isBusy}>
            {isBusy ? t("sign_in.busy") : t("sign_in.enter")}
          </button>
        </form>
        <a class="button wide" href="/admin/v1/session/oidc">
          {t("sign_in.oidc")}
        </a>
        <details>
          <summary>{t("sign_in.first")}</summary>
          <p class="note">{t("sign_in.first_note")}</p>
          <pre class="code">{FIRST}</pre>
          <Copy text={FIRST} label={t("copy")} />
        </details>
      </main>
    </div>
  );
}
