import { useState } from "react";
import type { FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";
import { api } from "../../api";
import { errorText } from "../../app/session";
import { useLanguage } from "../../app/useLanguage";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { SelectField, TextField } from "../../ui/Field";
import { Form } from "../../ui/Form";
import { Notice } from "../../ui/States";
import { CURRENCIES, ownTimeZone, timeZones } from "./zones";

export function NewTripDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const language = useLanguage();
  const [title, setTitle] = useState("");
  const [start, setStart] = useState("");
  const [end, setEnd] = useState("");
  const [zone, setZone] = useState(ownTimeZone);
  const [currency, setCurrency] = useState(language === "zh" ? "CNY" : "EUR");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const dateError = start && end && end < start ? t("trips.badDates") : Boolean(start) !== Boolean(end) ? t("trips.bothDates") : undefined;

  async function create(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (dateError) return;
    setBusy(true);
    setError(null);
    try {
      const dates = start && end ? { start_date: start, end_date: end } : {};
      const { trip } = await api.createTrip({ title: title.trim(), time_zone: zone, currency, ...dates });
      navigate(`/t/${trip.id}`);
    } catch (problem) {
      setError(errorText(problem, t));
      setBusy(false);
    }
  }

  return (
    <Dialog open onClose={onClose} title={t("trips.formTitle")}>
      <Form className="form" onSubmit={(event) => void create(event)}>
        {error ? <Notice tone="bad">{error}</Notice> : null}
        <TextField label={t("trips.fieldTitle")} placeholder={t("trips.titlePlaceholder")} required maxLength={200} autoFocus value={title} onChange={(e) => setTitle(e.target.value)} />
        <div className="form-row">
          <TextField label={t("trips.start")} type="date" value={start} onChange={(e) => { setStart(e.target.value); if (!end) setEnd(e.target.value); }} hint={t("trips.datesHint")} />
          <TextField label={t("trips.end")} type="date" min={start || undefined} value={end} onChange={(e) => setEnd(e.target.value)} error={dateError} />
        </div>
        <div className="form-row">
          <SelectField label={t("trips.timeZone")} value={zone} onChange={(e) => setZone(e.target.value)}>
            {timeZones().map((name) => <option key={name}>{name}</option>)}
          </SelectField>
          <SelectField label={t("trips.currency")} value={currency} onChange={(e) => setCurrency(e.target.value)}>
            {CURRENCIES.map((code) => <option key={code}>{code}</option>)}
          </SelectField>
        </div>
        <Button type="submit" variant="primary" size="lg" block busy={busy}>{t("trips.createAction")}</Button>
      </Form>
    </Dialog>
  );
}
