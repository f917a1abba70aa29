import { MousePointer2 } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useLanguage } from "../../app/useLanguage";
import { formatDate } from "../../i18n/format";
import type { StopKind } from "../../protocol.gen";
import { Avatar } from "../../ui/Avatar";
import { KindIcon } from "../board/kinds";

interface Row {
  n: number;
  time: string;
  kind: StopKind;
  zh: string;
  en: string;
}

const DAYS: { color: number; date: string; zh: string; en: string; rows: Row[] }[] = [
  { color: 2, date: "2026-05-03", zh: "大理古城", en: "Dali Old Town", rows: [
    { n: 1, time: "09:00", kind: "sight", zh: "崇圣寺三塔", en: "Three Pagodas" },
    { n: 2, time: "12:30", kind: "food", zh: "段公子", en: "Lunch at Duan's" },
    { n: 3, time: "15:00", kind: "nature", zh: "洱海骑行", en: "Cycling on Erhai" },
  ] },
  { color: 3, date: "2026-05-04", zh: "喜洲", en: "Xizhou", rows: [
    { n: 1, time: "08:30", kind: "shopping", zh: "喜洲早市", en: "Morning market" },
  ] },
];

/** A small likeness of the trip room; decoration only. */
export function Preview() {
  const { t } = useTranslation();
  const language = useLanguage();
  const zh = language === "zh";
  return (
    <figure className="preview" role="img" aria-label={t("home.previewLabel")}>
      <div className="preview-bar" aria-hidden>
        <b>{zh ? "五月云南" : "Yunnan in May"}</b>
        <span className="pill conn"><span className="live-dot" />{t("connection.live")}</span>
        <span className="face-row"><Avatar name={zh ? "小梅" : "Mei"} color={4} size={24} /><Avatar name={zh ? "阿里" : "Ali"} color={0} size={24} /></span>
      </div>
      <div className="preview-body" aria-hidden>
        <div className="preview-board">
          {DAYS.map((day, d) => (
            <div key={day.date} data-day={day.color}>
              <div className="preview-day"><span className="day-block num">{d + 3}</span><span><b>{zh ? day.zh : day.en}</b><small className="num">{formatDate(day.date, language)}</small></span></div>
              {day.rows.map((row) => (
                <Line key={row.time} row={row} zh={zh} held={d === 0 && row.n === 3}>
                  {d === 0 && row.n === 3 ? <span className="held-name" data-who="4">{zh ? "小梅" : "Mei"}<span className="typing"><i /><i /><i /></span></span> : null}
                </Line>
              ))}
            </div>
          ))}
        </div>
        <div className="preview-map">
          <svg viewBox="0 0 260 330" preserveAspectRatio="xMidYMid slice">
            <rect width="260" height="330" fill="var(--land)" />
            <path d="M118 40c26 10 22 44 34 74s30 52 22 92-28 66-44 56-8-46-22-84-30-66-26-98 14-48 36-40z" fill="var(--sea)" stroke="var(--coast)" />
            <path d="M-10 60c60 20 70 90 60 140s20 100 70 140" fill="none" stroke="var(--border-line)" strokeDasharray="3 4" />
            <path d="M260 20c-30 40-20 120-50 160s-10 100 20 150" fill="none" stroke="var(--river)" strokeWidth="2" />
            <path d="M66 96L92 168L74 232" fill="none" stroke="var(--surface)" strokeWidth="7" strokeLinecap="round" strokeLinejoin="round" />
            <path d="M66 96L92 168L74 232" fill="none" stroke="var(--day-2)" strokeWidth="3.5" strokeLinecap="round" strokeLinejoin="round" />
            <Pin x={66} y={96} n="1" day={2} />
            <Pin x={92} y={168} n="2" day={2} />
            <Pin x={74} y={232} n="3" day={2} />
            <Pin x={96} y={52} n="1" day={3} />
          </svg>
          <span className="cursor preview-cursor" data-who="0"><MousePointer2 size={17} fill="currentColor" /><b>{zh ? "阿里" : "Ali"}</b></span>
        </div>
      </div>
    </figure>
  );
}

function Line({ row, zh, held, children }: { row: Row; zh: boolean; held: boolean; children: ReactNode }) {
  return (
    <div className={`preview-row ${held ? "preview-held" : ""}`} data-who={held ? 4 : undefined}>
      <span className="num">{row.time}</span>
      <span className="stop-num num">{row.n}</span>
      <span className="preview-name"><KindIcon kind={row.kind} size={14} />{zh ? row.zh : row.en}</span>
      {children}
    </div>
  );
}

function Pin({ x, y, n, day }: { x: number; y: number; n: string; day: number }) {
  return (
    <g>
      <circle cx={x} cy={y} r="12.5" fill={`var(--day-${day})`} stroke="var(--surface)" strokeWidth="2.5" />
      <text x={x} y={y + 4.2} textAnchor="middle" fontSize="12" fontWeight="650" fill={`var(--day-${day}-ink)`}>{n}</text>
    </g>
  );
}
