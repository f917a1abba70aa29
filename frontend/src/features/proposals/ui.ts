/** What this tab shows of suggestions: whether on board and map, the review sheet of phones, the piece
    in focus. Never shared. */
import { create } from "zustand";
import { view } from "../room/view";

const KEY = "tongyou.hideSuggestions";

interface ReviewUi {
  /** On the board and the map. */
  shown: boolean;
  /** On phones: the sheet is open. */
  sheet: boolean;
  /** The list of what is drafted, with the place to send it. */
  draft: boolean;
  /** A piece to bring into view; `n` makes each request new. */
  focus: { proposal: string; piece: number; n: number } | null;
}

function kept(): boolean {
  try {
    return localStorage.getItem(KEY) !== "1";
  } catch {
    return true;
  }
}

export const useReviewUi = create<ReviewUi>(() => ({ shown: kept(), sheet: false, draft: false, focus: null }));
const set = useReviewUi.setState;

export const reviewUi = {
  show: (shown: boolean) => {
    try {
      if (shown) localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, "1");
    } catch {
      // The choice then lasts for this page only.
    }
    set({ shown });
  },
  /** Open the list of suggestions wherever this screen has it. */
  review: (proposal?: string, piece = -1) => {
    const focus = proposal === undefined ? null : { proposal, piece, n: (useReviewUi.getState().focus?.n ?? 0) + 1 };
    const phone = window.innerWidth < 720;
    set({ focus, sheet: phone, draft: false });
    if (!phone) view.setDrawer("proposals");
  },
  closeSheet: () => set({ sheet: false }),
  draft: (draft: boolean) => set({ draft, sheet: false }),
};
