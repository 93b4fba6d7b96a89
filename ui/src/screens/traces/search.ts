import * as v from 'valibot';
import { text, texts } from '~/app/search';

/** The state of the list of traces, as it stands in the address bar. */
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
  /** A column, with `-` before it for descending. */
  sort: text,
  limit: text,
});
