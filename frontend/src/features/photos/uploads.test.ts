import { describe, expect, it } from "vitest";
import { ApiError, type PhotoView } from "../../api";
import type { Operation } from "../../protocol.gen";
import { FakeClock } from "../../realtime/testing/fakeClock";
import { keyOf, MAX_UPLOAD, type PhotoApi, type Place, Uploads } from "./uploads";

const view = (more: Partial<PhotoView> = {}): { photo: PhotoView } => ({
  photo: { id: "p", status: "waiting", error: null, width: null, height: null, color: null, ...more },
});
const lost = () => new ApiError(0, "network", "the server could not be reached", true);
const file = (name = "a.jpg") => new File(["pixels"], name, { type: "image/jpeg" });

function make(...answers: ({ photo: PhotoView } | Error)[]) {
  const clock = new FakeClock(() => 0);
  const shown: Operation[] = [];
  const sent: { trip: string; id: string; size: number; signal: AbortSignal | undefined }[] = [];
  let refuse: Error | null = null;
  let report: ((part: number) => void) | undefined;
  let hold: Promise<void> | null = null;
  const live = new Set<string>();
  const api: PhotoApi = {
    uploadPhoto: async (trip, id, body, options) => {
      sent.push({ trip, id, size: body.size, signal: options?.signal });
      report = options?.onProgress;
      if (hold !== null) await hold;
      if (refuse !== null) throw refuse;
      return view();
    },
    photo: async () => {
      const answer = answers.shift();
      if (answer === undefined || answer instanceof Error) throw answer ?? new ApiError(404, "not_found", "no more", false);
      return answer;
    },
  };
  let urls = 0;
  const uploads = new Uploads(api, async (given) => given, clock, {
    createObjectURL: () => { urls += 1; live.add(`blob:${urls}`); return `blob:${urls}`; },
    revokeObjectURL: (url) => void live.delete(url),
  });
  const turn = async (times = 30) => {
    for (let n = 0; n < times; n += 1) {
      for (let each = 0; each < 5; each += 1) await Promise.resolve();
      clock.advance(2_000);
    }
  };
  const start = (place: Place = "cover", given = file()) => uploads.start("T", place, given, (op) => shown.push(op));
  return {
    uploads, shown, sent, live, turn, start,
    state: (place: Place = "cover") => uploads.store.getState()[keyOf("T", place)],
    refuse: (error: Error | null) => { refuse = error; },
    progress: (part: number) => report?.(part),
    hold: (until: Promise<void>) => { hold = until; },
  };
}

describe("an upload", () => {
  it("is sent, waited for, and shown by an operation", async () => {
    const { start, turn, shown, sent, state, live } = make(view(), lost(), view({ status: "ready" }));
    const done = start();
    expect(state()).toMatchObject({ status: "sending", part: 0, preview: "blob:1" });
    await turn();
    await done;
    expect(shown).toEqual([{ kind: "trip.set_cover", photo: sent[0]?.id }]);
    expect(state()).toBeUndefined();
    expect(live.size).toBe(0);
  });

  it("says how far it is", async () => {
    const { start, turn, state, progress, hold } = make(view({ status: "ready" }));
    let go = () => undefined as void;
    hold(new Promise((done) => { go = done; }));
    const done = start({ stop: "s1" });
    await turn(1);
    progress(0.4);
    expect(state({ stop: "s1" })).toMatchObject({ status: "sending", part: 0.4 });
    go();
    await turn();
    await done;
    expect(state({ stop: "s1" })).toBeUndefined();
  });

  it("says why it failed, keeps the file, and can be tried again", async () => {
    const { start, turn, state, shown, sent } = make(view({ status: "failed", error: "broken_image" }), view({ status: "ready" }));
    const first = start();
    await turn();
    await first;
    const failed = state();
    expect(failed).toMatchObject({ status: "failed", error: { code: "broken_image" } });
    if (failed?.status !== "failed") throw new Error("it has not failed");
    const again = start("cover", failed.file);
    await turn();
    await again;
    expect(shown).toHaveLength(1);
    // A photo that failed stays failed: the next try is another one.
    expect(sent[0]?.id).not.toBe(sent[1]?.id);
  });

  it("is refused before it is sent when it is too large", async () => {
    const { start, turn, state, sent } = make();
    const done = start("cover", new File([new Uint8Array(MAX_UPLOAD + 1)], "b.png"));
    await turn();
    await done;
    expect(state()).toMatchObject({ status: "failed", error: { code: "photo_too_large" } });
    expect(sent).toEqual([]);
  });

  it("is cancelled, wherever it is", async () => {
    const { uploads, start, turn, state, shown, sent, live, hold } = make(view({ status: "ready" }));
    hold(new Promise(() => undefined));
    void start();
    await turn(1);
    uploads.cancel("T", "cover");
    await turn();
    expect(sent[0]?.signal?.aborted).toBe(true);
    expect([state(), shown, live.size]).toEqual([undefined, [], 0]);
  });

  it("gives way to a newer one for the same place, and to no other", async () => {
    const { start, turn, shown, sent, state } = make(view(), view(), view({ status: "ready" }), view({ status: "ready" }));
    void start();
    await turn(1);
    const second = start();
    const other = start({ stop: "s1" });
    await turn();
    await Promise.all([second, other]);
    expect(shown.map((op) => ("photo" in op ? op.photo : ""))).toEqual(expect.arrayContaining([sent[1]?.id, sent[2]?.id]));
    expect(shown).toHaveLength(2);
    expect(state()).toBeUndefined();
  });

  it("gives up when nobody answers", async () => {
    const { start, turn, state } = make(lost(), lost(), lost(), lost(), lost(), lost());
    const done = start();
    await turn();
    await done;
    expect(state()).toMatchObject({ status: "failed", error: { code: "network" } });
  });
});
