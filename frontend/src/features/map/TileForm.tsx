import { useState } from "react";
import type { FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "../../ui/Button";
import { TextField } from "../../ui/Field";
import { toast } from "../../ui/toast";
import { isTileUrl, setTiles, useTiles } from "./tiles";

export function TileForm({ onDone }: { onDone?: () => void }) {
  const { t } = useTranslation();
  const tiles = useTiles();
  const [url, setUrl] = useState(tiles.url);
  const [attribution, setAttribution] = useState(tiles.attribution);
  const [bad, setBad] = useState(false);
  function save(event: FormEvent): void {
    event.preventDefault();
    const cleaned = url.trim();
    if (cleaned && !isTileUrl(cleaned)) {
      setBad(true);
      return;
    }
    setTiles({ url: cleaned, attribution: attribution.trim() });
    toast(t("settings.saved"));
    onDone?.();
  }
  return (
    <form className="form" onSubmit={save} noValidate>
      <TextField
        label={t("settings.tileUrl")} type="url" value={url} autoComplete="off" spellCheck={false}
        onChange={(e) => { setUrl(e.target.value); setBad(false); }}
        hint={t("settings.tileHint")} error={bad ? t("settings.tileBad") : undefined}
      />
      {url.trim() ? <TextField label={t("settings.tileAttribution")} value={attribution} onChange={(e) => setAttribution(e.target.value)} /> : null}
      <div><Button type="submit">{t("common.save")}</Button></div>
    </form>
  );
}
