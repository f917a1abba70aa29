import { Dialog } from "../../ui/Dialog";
import { useText } from "./useText";

export function KeysDialog({ onClose }: { onClose: () => void }) {
  const { t } = useText();
  const rows: [string, string[]][] = [
    [t("keys.newStop"), ["N"]], [t("keys.next"), ["J"]], [t("keys.prev"), ["K"]], [t("keys.open"), ["Enter"]],
    [t("keys.move"), ["Space", "↑", "↓"]], [t("keys.select"), [t("keys.ctrlClick")]], [t("keys.undo"), ["Ctrl", "Z"]],
    [t("keys.redo"), ["Ctrl", "⇧", "Z"]], [t("keys.commands"), ["Ctrl", "K"]], [t("keys.talk"), ["T"]], [t("keys.escape"), ["Esc"]], [t("keys.help"), ["?"]],
  ];
  return (
    <Dialog open onClose={onClose} title={t("keys.title")}>
      <dl className="keys">
        {rows.map(([label, keys]) => (
          <div key={label}><dt>{label}</dt><dd>{keys.map((key) => <kbd key={key}>{key}</kbd>)}</dd></div>
        ))}
      </dl>
    </Dialog>
  );
}
