import { LogOut, MoreHorizontal, UserMinus } from "lucide-react";
import { useState } from "react";
import { useNavigate } from "react-router";
import type { Member, Role } from "../../protocol.gen";
import { useLinked, useIsOwner, useMe, useMembers, usePeople, useRoomClient, useSuggesting } from "../../store";
import { Avatar } from "../../ui/Avatar";
import { Button, IconButton } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Menu, MenuChoice, MenuItem, MenuLabel, MenuLine } from "../../ui/Menu";
import { toast } from "../../ui/toast";
import { AssistantLine, PersonLine, useAssistantHere } from "../presence/Facepile";
import { useText } from "../room/useText";
import { Invites } from "./Invites";
import "./people.css";

export function PeoplePanel() {
  const { t } = useText();
  const owner = useIsOwner();
  const people = usePeople();
  const members = useMembers();
  const assistant = useAssistantHere();
  // Without a connection nobody can be said to be here or not.
  const live = useLinked();
  const here = new Set(people.map((person) => person.user));
  const away = members.filter((member) => !here.has(member.id));
  return (
    <div className="people">
      {owner ? <Invites /> : <WhoInvites />}
      <section>
        <h3 className="people-title">{t("people.here")}</h3>
        <ul className="people-list">
          {[...people].sort((a, b) => Number(b.me) - Number(a.me)).map((person) => {
            const member = members.find((each) => each.id === person.user);
            return (
              <li key={person.user} className="people-row">
                <PersonLine person={person} />
                {member ? <MemberRole member={member} /> : <span className="badge">{t("role.spectator")}</span>}
              </li>
            );
          })}
          {assistant ? <li className="people-row"><AssistantLine /></li> : null}
        </ul>
        {people.length <= 1 ? <p className="muted people-note">{t(live ? "people.alone" : "people.unknown")}</p> : null}
      </section>
      {away.length > 0 ? (
        <section>
          <h3 className="people-title">{t("people.members")}</h3>
          <ul className="people-list">
            {away.map((member) => (
              <li key={member.id} className="people-row">
                <span className="person-line"><Avatar name={member.name} color={member.color} size={28} /><span className="person-words"><b>{member.name}</b>{live ? <small>{t("people.offline")}</small> : null}</span></span>
                <MemberRole member={member} />
              </li>
            ))}
          </ul>
        </section>
      ) : null}
      <Leave />
    </div>
  );
}

/** Share leads here for everybody; who cannot invite is told who can. */
function WhoInvites() {
  const { t, language } = useText();
  const me = useMe();
  const members = useMembers();
  const owners = members.filter((member) => member.role === "owner").map((member) => member.name);
  if (owners.length === 0 || !members.some((member) => member.id === me.user)) return null;
  return <p className="muted people-note" data-testid="who-invites">{t("people.ownersInvite", { names: owners.join(language === "zh" ? "、" : ", ") })}</p>;
}

function MemberRole({ member }: { member: Member }) {
  const { t } = useText();
  const owner = useIsOwner();
  const me = useMe();
  const client = useRoomClient();
  const suggesting = useSuggesting();
  const [asking, setAsking] = useState(false);
  const label = <span className="role">{t(`role.${member.role}`)}</span>;
  // Roles and membership cannot be suggested: no controls that would act at once.
  if (!owner || suggesting || member.id === me.user) return label;
  const remove = () => {
    client.submit({ kind: "member.remove", id: member.id });
    toast(t("people.removed", { name: member.name }));
    setAsking(false);
  };
  return (
    <>
      {label}
      <Menu trigger={<IconButton label={t("people.menu", { name: member.name })} tip={false}><MoreHorizontal size={17} aria-hidden /></IconButton>}>
        <MenuLabel>{t("people.roleOf", { name: member.name })}</MenuLabel>
        <MenuChoice<Role>
          value={member.role}
          onChange={(role) => client.submit({ kind: "member.set_role", id: member.id, role })}
          options={(["owner", "editor", "viewer"] as const).map((role) => ({ value: role, label: t(`role.${role}`) }))}
        />
        <MenuLine />
        <MenuItem danger icon={<UserMinus size={16} />} onSelect={() => setAsking(true)}>{t("people.remove")}</MenuItem>
      </Menu>
      {asking ? (
        <Dialog open onClose={() => setAsking(false)} title={t("people.removeAsk", { name: member.name })} description={t("people.removeText")}
          footer={<><Button onClick={() => setAsking(false)}>{t("common.cancel")}</Button><Button variant="danger" onClick={remove}>{t("common.remove")}</Button></>}>
          {null}
        </Dialog>
      ) : null}
    </>
  );
}

function Leave() {
  const { t } = useText();
  const me = useMe();
  const members = useMembers();
  const client = useRoomClient();
  const navigate = useNavigate();
  const [asking, setAsking] = useState(false);
  const mine = members.find((member) => member.id === me.user);
  if (!mine) return null;
  const last = mine.role === "owner" && members.filter((member) => member.role === "owner").length === 1;
  if (last && members.length === 1) return null;
  const leave = () => {
    client.submit({ kind: "member.remove", id: mine.id });
    toast(t("people.left"));
    navigate("/trips");
  };
  return (
    <section className="people-leave">
      <Button variant="ghost" icon={<LogOut size={16} aria-hidden />} disabled={last} onClick={() => setAsking(true)}>{t("people.leave")}</Button>
      {last ? <p className="muted people-note">{t("people.lastOwner")}</p> : null}
      {asking ? (
        <Dialog open onClose={() => setAsking(false)} title={t("people.leaveAsk")} description={t("people.leaveText")}
          footer={<><Button onClick={() => setAsking(false)}>{t("common.cancel")}</Button><Button variant="danger" onClick={leave}>{t("people.leave")}</Button></>}>
          {null}
        </Dialog>
      ) : null}
    </section>
  );
}
