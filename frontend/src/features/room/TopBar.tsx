import { CalendarRange, ChevronLeft, Command, Download, History, Info, Keyboard, Languages, ListChecks, LogOut, MessageCircle, MoreHorizontal, Redo2, Share2, Sparkles, SquarePen, Trash2, Undo2, UserPlus, Users } from "lucide-react";
import { Link, useNavigate } from "react-router";
import { useUser } from "../../app/session";
import { LanguageMenu, ThemeMenu, themeIcon, themeOptions } from "../../app/Shell";
import { setTheme, useTheme, type ThemeChoice } from "../../app/theme";
import { setLanguage, type Language } from "../../i18n";
import { formatRange } from "../../i18n/format";
import { MAX_LENGTH } from "../../protocol.gen";
import { useCanEdit, useHistory, useIsMember, useIsOwner, useMe, useProposals, useRoomClient, useSuggesting, useTrip, useUnread } from "../../store";
import { Button, IconButton } from "../../ui/Button";
import { Editable } from "../../ui/Editable";
import { Menu, MenuChoice, MenuItem, MenuLine, SubMenu } from "../../ui/Menu";
import { ConnectionPill } from "../presence/ConnectionPill";
import { Facepile } from "../presence/Facepile";
import { Held } from "../presence/Held";
import { ModePill, useSuggest } from "../proposals/ModePill";
import { UnreadBadge } from "./PhoneTabs";
import { useReporter } from "./presence";
import { useText } from "./useText";
import { useView, view } from "./view";
import { useUndo } from "./useUndo";

export function TopBar({ phone }: { phone: boolean }) {
  const { t } = useText();
  const drawer = useView((s) => s.drawer);
  const me = useMe();
  // Readers of a public trip see neither its past nor its links.
  const visitor = me.role === "spectator";
  return (
    <header className="topbar">
      <Link to="/trips" className="icon-btn" aria-label={t("room.allTrips")}><ChevronLeft size={20} aria-hidden /></Link>
      <TripTitle />
      {phone ? null : <DatesButton />}
      <span className="topbar-gap" />
      <ModePill compact={phone} />
      <ConnectionPill compact={phone} />
      <Facepile max={phone ? 2 : 5} />
      {phone ? null : <UndoButtons />}
      {phone ? null : (
        <>
          {visitor ? null : <TalkButton />}
          {visitor ? null : <IconButton label={t("room.assistant")} pressed={drawer === "assistant"} onClick={() => view.setDrawer(drawer === "assistant" ? null : "assistant")}><Sparkles size={18} aria-hidden /></IconButton>}
          {visitor ? null : <IconButton label={t("history.title")} pressed={drawer === "history"} onClick={() => view.setDrawer(drawer === "history" ? null : "history")}><History size={18} aria-hidden /></IconButton>}
          <IconButton label={t("people.title")} pressed={drawer === "people"} onClick={() => view.setDrawer(drawer === "people" ? null : "people")}><Users size={18} aria-hidden /></IconButton>
          <LanguageMenu />
          <ThemeMenu />
          {visitor ? null : <Button variant="primary" size="md" icon={<Share2 size={16} aria-hidden />} onClick={() => view.setDrawer("people")}>{t("room.share")}</Button>}
        </>
      )}
      <TripMenu phone={phone} />
    </header>
  );
}

function TalkButton() {
  const { t } = useText();
  const drawer = useView((s) => s.drawer);
  const unread = useUnread();
  return (
    <span className="badged">
      <IconButton label={t("talk.title")} shortcut="T" pressed={drawer === "talk"} data-testid="talk-button" onClick={() => view.setDrawer(drawer === "talk" ? null : "talk")}><MessageCircle size={18} aria-hidden /></IconButton>
      {unread > 0 ? <UnreadBadge count={unread} /> : null}
    </span>
  );
}

function TripTitle() {
  const { t } = useText();
  const trip = useTrip();
  const canEdit = useCanEdit();
  const client = useRoomClient();
  const reporter = useReporter();
  if (!trip) return null;
  const focus = { t: "trip" as const, id: trip.id, field: "title" };
  return (
    <h1 className="trip-title">
      <span className="vh">{trip.title}</span>
      <Held t="trip" id={trip.id} field="title">
        <Editable
          value={trip.title}
          label={t("room.title")}
          required
          readOnly={!canEdit}
          maxLength={MAX_LENGTH.trip.title}
          testId="trip-title"
          onEditing={(what) => reporter.field(focus, what)}
          onCommit={(title) => client.submit({ kind: "trip.set_fields", fields: { title } })}
        />
      </Held>
    </h1>
  );
}

export function DatesButton() {
  const { t, language } = useText();
  const trip = useTrip();
  const canEdit = useCanEdit();
  const text = trip?.start_date && trip.end_date ? formatRange(trip.start_date, trip.end_date, language) : null;
  if (!canEdit) return text ? <span className="dates-text num">{text}</span> : null;
  return (
    <Button variant="ghost" size="sm" className="num" icon={<CalendarRange size={16} aria-hidden />} aria-label={text ? t("room.dates", { dates: text }) : undefined} onClick={() => view.dialog("dates")}>
      {text ?? t("room.setDates")}
    </Button>
  );
}

function UndoButtons() {
  const { t } = useText();
  const history = useHistory();
  const { undo, redo } = useUndo();
  const canEdit = useCanEdit();
  if (!canEdit) return null;
  return (
    <span className="undo-pair">
      <IconButton label={t("common.undo")} shortcut="Ctrl Z" disabled={!history.canUndo} onClick={undo}><Undo2 size={18} aria-hidden /></IconButton>
      <IconButton label={t("common.redo")} shortcut="Ctrl ⇧ Z" disabled={!history.canRedo} onClick={redo}><Redo2 size={18} aria-hidden /></IconButton>
    </span>
  );
}

function TripMenu({ phone }: { phone: boolean }) {
  const { t, language } = useText();
  const owner = useIsOwner();
  const canEdit = useCanEdit();
  const user = useUser();
  const client = useRoomClient();
  const navigate = useNavigate();
  const { undo, redo } = useUndo();
  const history = useHistory();
  const choice = useTheme((s) => s.choice);
  const ThemeIcon = themeIcon(choice);
  const member = useIsMember();
  const suggesting = useSuggesting();
  const suggest = useSuggest();
  const waiting = useProposals().open.length;
  return (
    <Menu trigger={<IconButton label={t("room.menu")} tip={false} data-testid="trip-menu"><MoreHorizontal size={20} aria-hidden /></IconButton>}>
      {phone && canEdit ? (
        <>
          <MenuItem icon={<Undo2 size={16} />} disabled={!history.canUndo} onSelect={undo}>{t("common.undo")}</MenuItem>
          <MenuItem icon={<Redo2 size={16} />} disabled={!history.canRedo} onSelect={redo}>{t("common.redo")}</MenuItem>
          <MenuLine />
        </>
      ) : null}
      <MenuItem icon={<Info size={16} />} onSelect={() => view.dialog("details")}>{t("room.details")}</MenuItem>
      {canEdit ? <MenuItem icon={<CalendarRange size={16} />} onSelect={() => view.dialog("dates")}>{t("dates.title")}</MenuItem> : null}
      <MenuItem icon={<Share2 size={16} />} onSelect={() => { view.setDrawer("people"); view.setTab("people"); }}>{t("room.share")}</MenuItem>
      {user ? <MenuItem icon={<Download size={16} />} onSelect={() => view.dialog("export")}>{t("export.title")}</MenuItem> : null}
      {member ? (
        <>
          <MenuLine />
          {suggesting ? <MenuItem icon={<SquarePen size={16} />} onSelect={() => suggest(false)}>{t("proposal.leave")}</MenuItem>
            : <MenuItem icon={<SquarePen size={16} />} onSelect={() => suggest(true)}>{t("proposal.suggestChanges")}</MenuItem>}
          <MenuItem icon={<ListChecks size={16} />} {...(waiting > 0 ? { hint: String(waiting) } : {})} onSelect={() => view.show("proposals")}>{t("proposal.title")}</MenuItem>
        </>
      ) : null}
      <MenuLine />
      {phone ? (
        <>
          <SubMenu icon={<Languages size={16} />} label={t("common.language")}>
            <MenuChoice<Language> value={language} onChange={(next) => setLanguage(next)} options={[{ value: "zh", label: "简体中文" }, { value: "en", label: "English" }]} />
          </SubMenu>
          <SubMenu icon={<ThemeIcon size={16} />} label={t("common.theme")}>
            <MenuChoice<ThemeChoice> value={choice} onChange={setTheme} options={themeOptions(t)} />
          </SubMenu>
        </>
      ) : (
        <>
          <MenuItem icon={<Command size={16} />} hint="Ctrl K" onSelect={() => view.dialog("commands")}>{t("room.commands")}</MenuItem>
          <MenuItem icon={<Keyboard size={16} />} hint="?" onSelect={() => view.dialog("keys")}>{t("room.shortcuts")}</MenuItem>
        </>
      )}
      {user?.is_guest ? <MenuItem icon={<UserPlus size={16} />} onSelect={() => navigate("/register")}>{t("room.keep")}</MenuItem> : null}
      {owner ? (
        <>
          <MenuLine />
          <MenuItem danger disabled={suggesting} icon={<Trash2 size={16} />} onSelect={() => client.submit({ kind: "trip.delete" })}>
            {suggesting ? <span className="mode-choice"><b>{t("room.deleteTrip")}</b><small>{t("proposal.notWhile")}</small></span> : t("room.deleteTrip")}
          </MenuItem>
        </>
      ) : user ? (
        <>
          <MenuLine />
          <MenuItem icon={<LogOut size={16} />} onSelect={() => { view.setDrawer("people"); view.setTab("people"); }}>{t("people.leave")}</MenuItem>
        </>
      ) : null}
    </Menu>
  );
}
