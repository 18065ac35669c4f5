// Where a list goes on.

import type { JSX } from "preact";
import type { Pages } from "../state/pages.ts";
import { t } from "../text/text.ts";

export function More({ of }: { of: Pages<unknown> }): JSX.Element | null {
  if (!of.more) return null;
  return (
    <p class="more">
      <button type="button" class="button" disabled={of.isBusy} onClick={of.more}>
        {t(of.isBusy ? "loading" : "more")}
      </button>
    </p>
  );
}
