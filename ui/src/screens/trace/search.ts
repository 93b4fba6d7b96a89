import * as v from 'valibot';
import { text, texts } from '~/app/search';

/** The state of one trace's screen, as it stands in the address bar. */
export const TraceSearch = v.object({
  /** What fills the screen: `timeline` (or nothing), `logs` or `numbers`. */
  view: text,
  /** The selected span: its id, with `.2` and so on for others of the same id. */
  span: text,
  /** The tab of the span's panel. */
  tab: text,
  /** What is searched for. */
  q: text,
  /** `on`: only spans that match the search, and those above them. */
  only: text,
  /** Services that are looked at; the others are dimmed. */
  service: texts,
  /** Which spans have their children folded away, see model/fold.ts. */
  fold: texts,
  /** The part of the trace that is zoomed to: nanoseconds after its start, `from-to`. */
  zoom: text,
  /** `on`: the critical path is marked. */
  critical: text,
});

export type TraceSearch = v.InferOutput<typeof TraceSearch>;
