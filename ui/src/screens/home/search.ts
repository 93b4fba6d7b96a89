import * as v from 'valibot';
import { text, texts } from '~/app/search';

/** The state of the first screen, as it stands in the address bar. */
export const HomeSearch = v.object({
  /** What the names of the services shown contain. */
  q: text,
  /** A column, with `-` before it for descending. */
  sort: text,
  /** The page of the table, from 1. */
  page: text,
  /** Columns that are shown besides the usual ones: `p50`, `p99`. */
  columns: texts,
  /** Which errors are listed: those of spans, or `logs`. */
  errors: text,
  /** The language whose way of sending data is explained. */
  send: text,
});

export type HomeSearch = v.InferOutput<typeof HomeSearch>;
