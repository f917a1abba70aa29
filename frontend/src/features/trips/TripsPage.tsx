import { Map as MapIcon, MessageCircle, Plus, RotateCcw } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, Navigate, useNavigate } from "react-router";
import { api, type TripSummary } from "../../api";
import { errorText, useSession } from "../../app/session";
import { Shell } from "../../app/Shell";
import { useLanguage } from "../../app/useLanguage";
import { useLoad } from "../../app/useLoad";
import { useTitle } from "../../app/useTitle";
import { formatAgo, formatRange, sentences } from "../../i18n/format";
import { Avatar } from "../../ui/Avatar";
import { Button } from "../../ui/Button";
import { Segmented } from "../../ui/Field";
import { Delayed, Empty, Notice, Skeleton } from "../../ui/States";
import { toast } from "../../ui/toast";
import { openSample } from "../home/demoLink";
import { Picture } from "../photos/Picture";
import "../photos/photos.css";
import { NewTripDialog } from "./NewTripDialog";
import "./trips.css";

export function TripsPage() {
  const { t } = useTranslation();
  useTitle(t("trips.title"));
  const { status, user } = useSession();
  const [shelf, setShelf] = useState<"live" | "deleted">("live");
  const [creating, setCreating] = useState(false);
  const [trips, reload] = useLoad(async (signal) => (await api.trips(shelf === "deleted", signal)).trips, `${shelf}:${user?.id ?? ""}`);
  if (status === "ready" && !user) return <Navigate to="/login" state={{ next: "/trips" }} replace />;

  async function restore(trip: TripSummary): Promise<void> {
    try {
      await api.restoreTrip(trip.id);
      toast(t("trips.restored", { title: trip.title }));
      reload();
    } catch (problem) {
      toast(errorText(problem, t), { tone: "bad" });
    }
  }

  return (
    <Shell>
      <div className="trips-head">
        <h1 className="page-title">{t("trips.title")}</h1>
        <Segmented hideLabel label={t("trips.title")} value={shelf} onChange={setShelf} options={[{ value: "live", label: t("trips.active") }, { value: "deleted", label: t("trips.showDeleted") }]} />
        <Button variant="primary" icon={<Plus size={18} aria-hidden />} onClick={() => setCreating(true)}>{t("trips.create")}</Button>
      </div>
      {user?.is_guest ? (
        <Notice action={<Link className="btn btn-secondary btn-sm" to="/register">{t("auth.submitKeep")}</Link>}>{t("trips.guestNote")}</Notice>
      ) : null}
      {trips.status === "loading" ? <Delayed><div className="trip-grid" aria-hidden>{[0, 1, 2].map((n) => <Skeleton key={n} h={228} r={12} />)}</div></Delayed> : null}
      {trips.status === "failed" ? (
        <Notice tone="bad" action={<Button size="sm" onClick={reload}>{t("common.retry")}</Button>}>{sentences(t, t("trips.failed"), errorText(trips.error, t))}</Notice>
      ) : null}
      {trips.status === "ready" && trips.data.length === 0 ? (
        shelf === "live" ? (
          <Empty icon={<MapIcon size={26} />} title={t("trips.emptyTitle")} actions={<><Button variant="primary" onClick={() => setCreating(true)}>{t("trips.create")}</Button>{user ? <SampleButton name={user.name} /> : null}</>}>{t("trips.empty")}</Empty>
        ) : <Empty title={t("trips.deletedEmpty")} />
      ) : null}
      {trips.status === "ready" && trips.data.length > 0 ? (
        <ul className="trip-grid">
          {trips.data.map((trip) => (
            <li key={trip.id}><TripCard trip={trip} onRestore={shelf === "deleted" && trip.role === "owner" ? () => void restore(trip) : undefined} /></li>
          ))}
        </ul>
      ) : null}
      {creating ? <NewTripDialog onClose={() => setCreating(false)} /> : null}
    </Shell>
  );
}

/** For who would rather look at a trip than begin with an empty one. */
function SampleButton({ name }: { name: string }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);

  async function open(): Promise<void> {
    setBusy(true);
    try {
      navigate(await openSample(name, language));
    } catch (problem) {
      toast(errorText(problem, t), { tone: "bad" });
      setBusy(false);
    }
  }
  return <Button busy={busy} onClick={() => void open()}>{t("trips.demo")}</Button>;
}

/** A quiet cover made from the trip's id: contour lines in one of the day colours. */
function Cover({ id }: { id: string }) {
  let hash = 7;
  for (const char of id) hash = (hash * 31 + char.charCodeAt(0)) >>> 0;
  const cx = 40 + (hash % 200);
  const cy = 10 + ((hash >> 8) % 60);
  const rings = [16, 34, 54, 76, 100, 126, 156, 190, 228];
  return (
    <svg className="cover" data-day={(hash % 8) + 1} viewBox="0 0 320 92" preserveAspectRatio="xMidYMid slice" aria-hidden>
      {rings.map((r, n) => (
        <ellipse key={r} cx={cx + n * 3} cy={cy + n * 2} rx={r * 1.35} ry={r * (0.7 + ((hash >> n) % 3) * 0.08)} transform={`rotate(${(hash >> 4) % 40} ${cx} ${cy})`} />
      ))}
      <circle cx={cx} cy={cy} r="4" className="cover-dot" />
    </svg>
  );
}

function TripCard({ trip, onRestore }: { trip: TripSummary; onRestore?: (() => void) | undefined }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const dates = trip.start_date && trip.end_date ? formatRange(trip.start_date, trip.end_date, language) : t("trips.noDates");
  return (
    <article className="card trip-card" data-testid={`trip-${trip.id}`}>
      {trip.cover && !trip.deleted ? <Picture className="cover-photo" tripId={trip.id} photo={trip.cover} alt="" sizes="(max-width: 719px) 100vw, 420px" /> : <Cover id={trip.id} />}
      <div className="trip-card-body">
        <h2>{onRestore || trip.deleted ? trip.title : <Link to={`/t/${trip.id}`} className="trip-card-link">{trip.title}</Link>}</h2>
        {trip.unread > 0 ? <span className="trip-unread num" data-testid="trip-unread"><MessageCircle size={13} aria-hidden /><span aria-hidden>{trip.unread > 99 ? "99+" : trip.unread}</span><span className="vh">{t("talk.unread", { count: trip.unread })}</span></span> : null}
        <p className="num">{dates} · {t("trips.stops", { count: trip.stop_count })}</p>
        <div className="trip-card-foot">
          <span className="face-row" title={t("trips.members", { names: trip.member_names.join(", ") })}>
            {trip.member_names.slice(0, 5).map((name, n) => <Avatar key={`${n}${name}`} name={name} color={n} size={24} />)}
          </span>
          {onRestore ? (
            <Button size="sm" icon={<RotateCcw size={15} aria-hidden />} onClick={onRestore}>{t("trips.restore")}</Button>
          ) : (
            <span className="muted">{t("trips.updated", { when: formatAgo(trip.updated_at, language) })}</span>
          )}
        </div>
      </div>
    </article>
  );
}
