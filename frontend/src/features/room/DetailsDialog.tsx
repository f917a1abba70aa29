import { MAX_LENGTH, type Visibility } from "../../protocol.gen";
import { useCanEdit, useIsOwner, useRoomClient, useSuggesting, useTrip } from "../../store";
import { Dialog } from "../../ui/Dialog";
import { Editable } from "../../ui/Editable";
import { Segmented, SelectField } from "../../ui/Field";
import { CURRENCIES, timeZones } from "../trips/zones";
import { useReporter } from "./presence";
import { useText } from "./useText";

export function DetailsDialog({ onClose }: { onClose: () => void }) {
  const { t } = useText();
  const trip = useTrip();
  const canEdit = useCanEdit();
  const owner = useIsOwner();
  const suggesting = useSuggesting();
  const client = useRoomClient();
  const reporter = useReporter();
  if (!trip) return null;
  const currencies = CURRENCIES.includes(trip.currency) ? CURRENCIES : [trip.currency, ...CURRENCIES];
  return (
    <Dialog open onClose={onClose} title={t("room.details")}>
      <div className="form">
        <div className="field">
          <label htmlFor="trip-description">{t("room.description")}</label>
          <Editable
            id="trip-description" className="boxed" multiline readOnly={!canEdit} value={trip.description} label={t("room.description")}
            placeholder={t("room.descriptionPlaceholder")} maxLength={MAX_LENGTH.trip.description}
            onEditing={(what) => reporter.field({ t: "trip", id: trip.id, field: "description" }, what)}
            onCommit={(description) => client.submit({ kind: "trip.set_fields", fields: { description } })}
          />
        </div>
        <div className="form-row">
          <SelectField label={t("trips.timeZone")} disabled={!canEdit} value={trip.time_zone} onChange={(e) => client.submit({ kind: "trip.set_fields", fields: { time_zone: e.target.value } })}>
            {[...new Set([trip.time_zone, ...timeZones()])].map((zone) => <option key={zone}>{zone}</option>)}
          </SelectField>
          <SelectField label={t("trips.currency")} disabled={!canEdit} value={trip.currency} onChange={(e) => client.submit({ kind: "trip.set_fields", fields: { currency: e.target.value } })}>
            {currencies.map((code) => <option key={code}>{code}</option>)}
          </SelectField>
        </div>
        {owner && !suggesting ? (
          <Segmented<Visibility>
            label={t("room.visibility")} value={trip.visibility}
            onChange={(visibility) => client.submit({ kind: "trip.set_visibility", visibility })}
            options={[{ value: "private", label: t("room.private") }, { value: "public", label: t("room.public") }]}
          />
        ) : (
          <p className="muted">{t("room.visibility")}: {t(`room.${trip.visibility}`)}. {t(owner ? "proposal.notWhile" : "room.ownerOnly")}</p>
        )}
      </div>
    </Dialog>
  );
}
