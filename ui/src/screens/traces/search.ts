import * as v from 'valibot';
import { text, texts } from '~/app/search';

/** The state of the list of traces, as it stands in the address bar. What it means, and what is wrong with it: question.ts. */
export const TracesSearch = v.object({
  service: texts,
  operation: text,
  /** `error`, `ok` or nothing. */
  status: text,
  /** Durations as people write them: `250ms`, `1.5s`. */
  min: text,
  max: text,
  /** `key=value`, `key!=value`, …; all must hold. */
  attribute: texts,
  /** `time`, `duration`, `spans` or `errors`, with `-` before it for descending; nothing: `-time`. */
  sort: text,
  /** How many traces; nothing: 100. */
  limit: text,
  /** `linear`: the scale of durations above the list; nothing: `log`. */
  scale: text,
});

export type TracesSearch = v.InferOutput<typeof TracesSearch>;

/** How a screen changes the address: as a new step back, or in place of the one before (typing). */
export type ChangeSearch = (change: (search: TracesSearch) => TracesSearch, options?: { replace?: boolean }) => void;
