// The one time a secret is seen: it leaves the page with its window and is nowhere kept.

import type { ComponentChildren, JSX } from "preact";
import { t } from "../text/text.ts";
import { Copy } from "./card.tsx";
import { Dialog } from "./dialog.tsx";

export function SecretOnce({ title, secret, close, children }: { title: string; secret: string; close: () => void; children?: ComponentChildren }): JSX.Element {
  return (
    <Dialog title={title} close={close}>
      <p class="warning">{t("secret.once")}</p>
      <pre class="code secret">{secret}</pre>
      <div class="dialog-actions">
        <Copy text={secret} label={t("key.copy")} />
      </div>
      {children}
      <div class="dialog-actions">
        <button type="button" class="button primary" onClick={close}>
          {t("key.kept")}
        </button>
      </div>
    </Dialog>
  );
}
