import * as v from 'valibot';
import { text, texts } from '~/app/search';

/** The state of one trace's screen, as it stands in the address bar. */
export const TraceSearch = v.object({
  /** The selected span. */
  span: text,
  /** The tab of the span's panel. */
  tab: text,
  /** What is searched for. */
  q: text,
  /** Spans whose children are folded away. */
  fold: texts,
  /** The part of the trace that is zoomed to: nanoseconds after its start, `from-to`. */
  zoom: text,
  /** `on`: the critical path is marked. */
  critical: text,
});
