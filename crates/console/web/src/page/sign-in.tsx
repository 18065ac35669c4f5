// The door: a password, or an admin key.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Problem } from "../api/http.ts";
import { Choice, Copy, why } from "../part/card.tsx";
import { Preferences } from "../part/preferences.tsx";
import { signIn, signInWithKey } from "../state/session.ts";
import { t } from "../text/text.ts";

const FIRST = "nexus user create --email you@example.com --role platform_admin --password-stdin";

export function SignIn(): JSX.Element {
  const [way, setWay] = useState<"password" | "key">("password");
  const [email, setEmail] = useState("");
  const [secret, setSecret] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      await (way === "password" ? signIn(email, secret) : signInWithKey(secret.trim()));
    } catch (error) {
      const isWrong = error instanceof Problem && error.status === 401;
      setProblem(isWrong ? t(way === "password" ? "sign_in.wrong" : "sign_in.wrong_key") : why(error));
      setBusy(false);
    }
  };
  const choose = (next: "password" | "key"): void => {
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
        <Choice label={t("sign_in.way")} of={["password", "key"] as const} now={way} word={(one) => t(`sign_in.${one}`)} choose={choose} />
        <form onSubmit={(event) => void submit(event)}>
          {way === "password" && (
            <label class="field">
              <span>{t("email")}</span>
              <input type="email" name="email" autocomplete="username" required value={email} onInput={(event) => setEmail(event.currentTarget.value)} />
            </label>
          )}
          <label class="field">
            <span>{way === "password" ? t("password") : t("admin_key")}</span>
            <input
              type="password"
              name={way}
              autocomplete={way === "password" ? "current-password" : "off"}
              required
              value={secret}
              onInput={(event) => setSecret(event.currentTarget.value)}
            />
          </label>
          {way === "key" && <p class="note">{t("sign_in.key_note")}</p>}
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
