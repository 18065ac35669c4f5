// Settings of the platform.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { list, put } from "../api/http.ts";
import { count } from "../format/number.ts";
import { Card, Table, Waiting } from "../part/card.tsx";
import { Form } from "../part/form.tsx";
import { changed, useQuery } from "../state/query.ts";
import { mayPlatform } from "../state/session.ts";
import { named, t } from "../text/text.ts";
import { Configuration } from "./configuration.tsx";

interface Setting {
  name: string;
  about: string;
  value: number;
  is_default: boolean;
  least: number;
  most: number;
}

export function Settings(): JSX.Element {
  const settings = useQuery("settings", (signal) => list<Setting>("/settings", {}, signal));
  const [edited, setEdited] = useState<Setting | undefined>(undefined);
  return (
    <>
      <Waiting of={settings} />
      {settings.data && (
        <Card title={t("settings")} note={t("setting.note")}>
          <Table label={t("settings")} head={[[t("name")], [t("setting.value"), "number"], [t("setting.bounds"), "number"], [t("actions"), "number"]]}>
            {settings.data.map((setting) => (
              <tr key={setting.name} data-name={setting.name}>
                <td>
                  <span class="mono">{setting.name}</span>
                  <p class="note">{named("setting_about", setting.name) === setting.name ? setting.about : named("setting_about", setting.name)}</p>
                </td>
                <td class="number">
                  {count(setting.value)}
                  {setting.is_default && <p class="note">{t("setting.usual")}</p>}
                </td>
                <td class="number">
                  {count(setting.least)} – {count(setting.most)}
                </td>
                <td class="number">
                  {mayPlatform() && (
                    <button type="button" class="button small" onClick={() => setEdited(setting)}>
                      {t("edit")}
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </Table>
        </Card>
      )}
      <Configuration />
      {edited && (
        <Form title={edited.name} note={edited.about} fields={[{ name: "value", word: "setting.value", kind: "number", isRequired: true }]} from={{ value: edited.value }} action={t("save")} isChange close={() => setEdited(undefined)} send={async (values) => {
          await put(`/settings/${edited.name}`, values);
          changed();
        }} />
      )}
    </>
  );
}
