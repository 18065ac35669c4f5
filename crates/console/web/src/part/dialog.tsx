// A window over the page: the browser's own, which keeps the keyboard inside and closes with Escape.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { t } from "../text/text.ts";
import { Trouble } from "./card.tsx";
import { Icon } from "./icon.tsx";

export function Dialog({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => ref.current?.showModal(), []);
  return (
    <dialog ref={ref} aria-labelledby={id} onClose={close}>
      <div class="dialog">
        <header class="dialog-head">
          <h2 id={id}>{title}</h2>
          <button type="button" class="button ghost" aria-label={t("close")} onClick={close}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** Asks before something that cannot be taken back; where `name` is given it has to be written. */
export function Confirm({ title, text, children, name, action, run, close }: {
  title: string;
  text: string;
  /** What is to be seen before. */
  children?: ComponentChildren;
  name?: string;
  action: string;
  run: () => Promise<void>;
  close: () => void;
}): JSX.Element {
  const [written, setWritten] = useState("");
  const [problem, setProblem] = useState<unknown>(undefined);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      await run();
      close();
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} close={close}>
      <form class="stack" onSubmit={(event) => void submit(event)}>
        <p>{text}</p>
        {children}
        {name !== undefined && (
          <label class="field">
            <span>{t("confirm.write", { name })}</span>
            <input name="confirm" autocomplete="off" value={written} onInput={(event) => setWritten(event.currentTarget.value)} />
          </label>
        )}
        {problem !== undefined && <Trouble problem={problem} />}
        <div class="dialog-actions">
          <button type="button" class="button" onClick={close}>
            {t("cancel")}
          </button>
          <button type="submit" class="button danger" disabled={isBusy || (name !== undefined && written !== name)}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
