/** Old and new values of fields, side by side. */
import type { RecordType } from "../../protocol.gen";
import { useRoomState } from "../../store";
import { excerpt, fieldLabel, showValue } from "../history/values";
import { useText } from "../room/useText";
import type { FieldDiff } from "./marks";

const LONG = 60;

/** Latitude and longitude are one place to a reader. */
function joined(fields: readonly FieldDiff[]): readonly FieldDiff[] {
  const lat = fields.find((each) => each.field === "lat");
  const lng = fields.find((each) => each.field === "lng");
  if (!lat && !lng) return fields;
  const both = (side: "old" | "now") => {
    const values = [lat?.[side], lng?.[side]].filter((value): value is number => typeof value === "number");
    return values.length === 0 ? null : values.map((value) => value.toFixed(4)).join(", ");
  };
  return [...fields.filter((each) => each !== lat && each !== lng), { field: "position", old: both("old"), now: both("now") }];
}

export function Diff({ t: type, id, fields }: { t: RecordType; id: string; fields: readonly FieldDiff[] }) {
  const text = useText();
  const { t } = text;
  const currency = useRoomState((s) => s.stops.get(id)?.cost_currency ?? s.trip?.currency ?? "CNY");
  return (
    <ul className="diff">
      {joined(fields).map(({ field, old, now }) => {
        const [before, is] = excerpt(showValue(field, old, text, currency), showValue(field, now, text, currency));
        // What goes needs to be recognised, not read.
        const points = [...before];
        const was = points.length > LONG ? `${points.slice(0, LONG).join("")}…` : before;
        const nothing = old === null || old === "" || old === undefined;
        return (
          <li key={field}>
            <span className="diff-field">{fieldLabel(type, field, t)}</span>{" "}
            {nothing ? null : <><del>{was}</del><span className="vh"> {t("proposal.what.to")} </span><span className="diff-arrow" aria-hidden>→</span></>}
            <ins>{is}</ins>
          </li>
        );
      })}
    </ul>
  );
}
