/** What this tab says about itself: which record it looks at, which field it edits, whether it types. */
import { useEffect, useMemo } from "react";
import type { Focus } from "../../protocol.gen";
import { useRoomClient, useRoomState } from "../../store";

type Client = ReturnType<typeof useRoomClient>;
const TYPING_MS = 1_500;

class Reporter {
  private looking: Focus | null = null;
  private editing: Focus | null = null;
  private typing = false;
  private timer: number | undefined;

  constructor(private readonly client: Client) {}

  look(focus: Focus | null): void {
    this.looking = focus;
    this.say();
  }

  /** No longer looked at, so none of its fields is in hand either, except to write a comment. */
  leave({ t, id }: Focus): void {
    this.looking = null;
    if (this.editing?.t === t && this.editing.id === id && this.editing.field !== "comment") {
      window.clearTimeout(this.timer);
      this.editing = null;
      this.typing = false;
    }
    this.say();
  }

  field(focus: Focus, what: "focus" | "typing" | "blur"): void {
    window.clearTimeout(this.timer);
    if (what === "blur") {
      if (this.editing?.id === focus.id && this.editing.field === focus.field) this.editing = null;
      this.typing = false;
    } else {
      this.editing = focus;
      this.typing = what === "typing";
      if (this.typing) {
        this.timer = window.setTimeout(() => {
          this.typing = false;
          this.say();
        }, TYPING_MS);
      }
    }
    this.say();
  }

  private say(): void {
    this.client.setPresence({ looking: this.looking, editing: this.editing, typing: this.typing });
  }
}

const reporters = new WeakMap<Client, Reporter>();

export function useReporter(): Reporter {
  const client = useRoomClient();
  return useMemo(() => {
    let reporter = reporters.get(client);
    if (!reporter) {
      reporter = new Reporter(client);
      reporters.set(client, reporter);
    }
    return reporter;
  }, [client]);
}

/** Says what is being looked at while the component is there. */
export function useLooking(focus: Focus | null): void {
  const reporter = useReporter();
  const t = focus?.t;
  const id = focus?.id;
  useEffect(() => {
    if (!t || !id) return;
    reporter.look({ t, id });
    return () => reporter.leave({ t, id });
  }, [reporter, t, id]);
}

/** The colour of a user: of their tab while here, else of their membership. */
export function useColorOf(user: string | null): number {
  return useRoomState((s) => (user === null ? 0 : (s.members.get(user)?.color ?? s.people.find((p) => p.user === user)?.color ?? 0)));
}
