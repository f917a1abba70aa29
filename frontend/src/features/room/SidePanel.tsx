import { X } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "../../ui/Button";
import { useText } from "./useText";

/** The one drawer on the right. On medium screens it lies over the map. `flush`: the content has its
    own edges and scrolls by itself. */
export function SidePanel({ title, over, flush, onClose, children }: { title: string; over: boolean; flush?: boolean; onClose: () => void; children: ReactNode }) {
  const { t } = useText();
  return (
    // React's own event: what is written in the panel has its say about Escape first.
    <aside onKeyDown={(event) => { if (event.key === "Escape" && !event.defaultPrevented && event.currentTarget.contains(event.target as Node)) onClose(); }} className={`side-panel ${over ? "side-panel-over" : ""}`} aria-label={title} data-testid="drawer">
      <header className="side-head">
        <h2>{title}</h2>
        <IconButton label={t("room.closeDrawer")} onClick={onClose} tip={false}><X size={18} aria-hidden /></IconButton>
      </header>
      <div className={flush ? "side-body side-flush" : "side-body"}>{children}</div>
    </aside>
  );
}
