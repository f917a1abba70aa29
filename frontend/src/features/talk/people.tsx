/** Who says or does something: members by their names and colours, the assistant, and whoever runs this site. */
import { ShieldCheck, Sparkles } from "lucide-react";
import { useMemo } from "react";
import { useSession } from "../../app/session";
import { ASSISTANT, OPERATOR } from "../../protocol.gen";
import { useMember, useMembers, useRoomState } from "../../store";
import { Avatar } from "../../ui/Avatar";
import { useText } from "../room/useText";
import type { Mentionable } from "./text";

/** Whether this installation has an assistant to ask. */
export const useHasAssistant = (): boolean => useSession((s) => s.features["assistant"] === true);

/** The assistant answers to its name in both languages, whichever the writer's screen speaks. */
const ASSISTANT_NAMES = ["助手", "Assistant"];

/** What an author is called who is no member, and never was. */
const STANDING = { [ASSISTANT]: "talk.assistant", [OPERATOR]: "common.operator" } as const;
const standing = (id: string) => STANDING[id as keyof typeof STANDING] ?? null;

export function useAuthorName(id: string): string {
  const { t } = useText();
  const key = standing(id);
  const member = useMember(key ? null : id);
  return key ? t(key) : (member?.name ?? t("common.someone"));
}

export function useNameOf(): (id: string) => string {
  const { t } = useText();
  const members = useRoomState((s) => s.members);
  return (id) => {
    const key = standing(id);
    return key ? t(key) : (members.get(id)?.name ?? t("common.someone"));
  };
}

export function AuthorFace({ id, size }: { id: string; size: number }) {
  const key = standing(id);
  const member = useMember(key ? null : id);
  if (key) {
    const Icon = id === OPERATOR ? ShieldCheck : Sparkles;
    return <span className={`avatar avatar-${id}`} style={{ width: size, height: size }} aria-hidden><Icon size={Math.round(size * 0.55)} /></span>;
  }
  return <Avatar name={member?.name ?? "?"} color={member?.color ?? 0} size={size} away={member?.deleted ?? true} />;
}

/** Everybody who can be mentioned here; removed members too, so that old mentions still show. */
export function useMentionables(everybody = true): readonly Mentionable[] {
  const all = useRoomState((s) => s.members);
  const now = useMembers();
  const hasAssistant = useHasAssistant();
  return useMemo(() => {
    const members = everybody ? [...all.values()] : now;
    const people = members.map(({ id, name }) => ({ id, names: [name] }));
    return hasAssistant || everybody ? [{ id: ASSISTANT, names: ASSISTANT_NAMES }, ...people] : people;
  }, [all, now, everybody, hasAssistant]);
}
