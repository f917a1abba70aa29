/** The public trips that an answer drew on, as cards that open the trip. */
import { ArrowUpRight, MapPin } from "lucide-react";
import type { Source } from "../../protocol.gen";
import { useText } from "../room/useText";

const MAX_RECORDS = 6;

export function Sources({ sources }: { sources: readonly Source[] }) {
  const { t } = useText();
  return (
    <section className="sources" aria-label={t("ai.sources")}>
      <p className="sources-title">{t("ai.sources")}</p>
      <ul>{sources.map((source) => <li key={source.trip_id}><SourceCard source={source} /></li>)}</ul>
    </section>
  );
}

function SourceCard({ source }: { source: Source }) {
  const { t } = useText();
  const title = source.title || t("room.untitled");
  const records = (source.records ?? []).filter((record) => record.t !== "trip" && record.name !== "");
  return (
    <a className="source" href={`/t/${encodeURIComponent(source.trip_id)}`} target="_blank" rel="noopener" aria-label={t("ai.source", { title })} data-testid="source">
      <span className="source-title"><b>{title}</b><ArrowUpRight size={15} aria-hidden /></span>
      {source.excerpt ? <span className="source-text">{source.excerpt}</span> : null}
      {records.length > 0 ? (
        <span className="source-records">
          {records.slice(0, MAX_RECORDS).map((record) => <span key={`${record.t}${record.id}`} className="source-record"><MapPin size={11} aria-hidden />{record.name}</span>)}
          {records.length > MAX_RECORDS ? <span className="source-record num">+{records.length - MAX_RECORDS}</span> : null}
        </span>
      ) : null}
    </a>
  );
}
