import { vi } from 'vitest';

/** Rows as `/api/v1/sql` answers them, from objects that all have the same keys. */
export function sqlAnswer(rows: readonly Record<string, unknown>[]): Response {
  const columns = Object.keys(rows[0] ?? {});
  return Response.json({
    columns: columns.map((name) => ({ name, type: 'VARCHAR' })),
    rows: rows.map((row) => columns.map((name) => row[name] ?? null)),
  });
}

/** In place of the server: `answer` is given the path and the body (the SQL) of each request. */
export function serve(answer: (path: string, body: string) => Response | Promise<Response>) {
  const fetched = vi.fn(async (path: string | URL | Request, init?: RequestInit) =>
    answer(String(path), typeof init?.body === 'string' ? init.body : ''),
  );
  vi.stubGlobal('fetch', fetched);
  return fetched;
}
