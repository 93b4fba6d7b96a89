import { afterEach, describe, expect, it, vi } from 'vitest';
import { serve, sqlAnswer } from '~/test/server';
import { MOST_PARTS, type TraceFilter } from './traceSql';
import { fetchTraceSummary, sampleTraces, searchTraces, slices, summarize, type TracesQuestion } from './traces';

afterEach(() => vi.unstubAllGlobals());

const MINUTE = 60_000;
const idOf = (number: number) => number.toString(16).padStart(32, '0');
const EVERY: TraceFilter = {
  services: [],
  operation: '',
  status: undefined,
  minDuration: undefined,
  maxDuration: undefined,
  attributes: [],
};
const question = (other: Partial<TracesQuestion> = {}): TracesQuestion => ({
  interval: { from: 0, to: 60 * MINUTE },
  filter: EVERY,
  sort: { key: 'time', descending: true },
  limit: 2,
  ...other,
});

interface Stored {
  /** Minutes. */
  start: number;
  duration?: number;
  errors?: number;
}

/** A server with one span a trace (by number); `hidden`: what only their description tells. */
function store(traces: Record<number, Stored>, hidden: Record<number, Partial<Stored>> = {}) {
  const asked: { kind: 'matching' | 'ranked' | 'described'; from: number; to: number; sql: string }[] = [];
  serve((_, sql) => {
    const [from = 0, to = 0] = [...sql.matchAll(/TIMESTAMP '([^']+)'/g)].map(([, at]) => Date.parse(`${at}Z`));
    const kind = sql.includes('first_value') ? 'described' : sql.includes('AS duration') ? 'ranked' : 'matching';
    asked.push({ kind, from, to, sql });
    const rows = Object.entries(traces).flatMap(([number, trace]) => {
      const id = idOf(Number(number));
      const told = kind === 'described' ? { ...trace, ...hidden[Number(number)] } : trace;
      const at = told.start * MINUTE;
      const inside = kind === 'described' ? sql.includes(id) : at >= from && at < to;
      const numbers = { start: at * 1000, duration: told.duration ?? 1e6, spans: 1, errors: told.errors ?? 0 };
      const names = { service: 'web', first: `GET ${number}`, root: at * 1000, tenant: null };
      if (!inside) return [];
      return [kind === 'matching' ? { trace_id: id, at } : { trace_id: id, ...numbers, ...names }];
    });
    const limit = Number(/LIMIT (\d+)$/.exec(sql)?.[1]);
    return sqlAnswer(rows.slice(0, limit));
  });
  return asked;
}

const numbers = (search: { traces: { id: string }[] }) => search.traces.map(({ id }) => Number.parseInt(id, 16));

describe('slices', () => {
  it.each([true, false])('touch, grow and cover the range (newest first: %s)', (newestFirst) => {
    const all = [...slices({ from: 1_000, to: 1_000 + 26 * 15_000 }, newestFirst, 15_000)];
    expect(all.map(({ from, to }) => (to - from) / 15_000)).toEqual([1, 4, 16, 5].slice(0, 3).concat(5));
    const ordered = newestFirst ? all.toReversed() : all;
    expect([ordered[0]?.from, ordered.at(-1)?.to]).toEqual([1_000, 1_000 + 26 * 15_000]);
    for (const [index, slice] of ordered.entries()) expect(slice.from).toBe(ordered[index - 1]?.to ?? 1_000);
  });

  it('are few for years, and one for a moment', () => {
    expect([...slices({ from: 0, to: 10 * 366 * 86_400_000 }, true, 15_000)].length).toBeLessThan(15);
    expect([...slices({ from: 5, to: 6 }, true, 15_000)]).toEqual([{ from: 5, to: 6 }]);
  });
});

describe('searchTraces', () => {
  it('looks at the newest first and stops when it has enough', async () => {
    const asked = store({ 1: { start: 59.9 }, 2: { start: 59 }, 3: { start: 58.9 }, 4: { start: 1 } });
    const found = await searchTraces(question());
    expect(numbers(found)).toEqual([1, 2]);
    expect(found).toMatchObject({ more: true, complete: true });
    expect(found.searched.to).toBe(60 * MINUTE);
    expect(found.searched.from).toBeGreaterThan(50 * MINUTE);
    expect(asked.filter(({ kind }) => kind === 'matching').every(({ sql }) => sql.endsWith('LIMIT 3'))).toBe(true);
    expect(found.traces[0]).toMatchObject({ service: 'web', operation: 'GET 1', hasRoot: true, start: 59.9 * MINUTE });
  });

  it('looks at the oldest first where these are asked for', async () => {
    store({ 1: { start: 59 }, 2: { start: 1 }, 3: { start: 0.1 }, 4: { start: 1.1 } });
    const found = await searchTraces(question({ sort: { key: 'time', descending: false } }));
    expect(numbers(found)).toEqual([3, 2]);
    expect(found.searched.from).toBe(0);
    expect(found.searched.to).toBeLessThan(10 * MINUTE);
  });

  it('searches all of the range when there are few', async () => {
    store({ 1: { start: 0 }, 2: { start: 30 } });
    const found = await searchTraces(question());
    expect(numbers(found)).toEqual([2, 1]);
    expect(found).toMatchObject({ more: false, complete: true, searched: { from: 0, to: 60 * MINUTE } });
  });

  it('describes nothing where nothing is found', async () => {
    const asked = store({});
    expect(await searchTraces(question())).toMatchObject({ traces: [], more: false, complete: true });
    expect(asked.some(({ kind }) => kind === 'described')).toBe(false);
  });

  it.each([
    ['duration', true, [3, 1]],
    ['duration', false, [2, 1]],
    ['errors', true, [1, 2]],
  ] as const)('sorts by %s (descending: %s) over all of the range', async (key, descending, expected) => {
    store({
      1: { start: 59, duration: 2e6, errors: 5 },
      2: { start: 58, duration: 1e6, errors: 1 },
      3: { start: 1, duration: 3e6 },
    });
    const found = await searchTraces(question({ sort: { key, descending } }));
    expect(numbers(found)).toEqual(expected);
    expect(found).toMatchObject({ more: true, searched: { from: 0, to: 60 * MINUTE } });
  });

  it('knows of more where all of them are in one slice', async () => {
    store({ 1: { start: 59 }, 2: { start: 58.5 }, 3: { start: 58 } });
    expect(await searchTraces(question({ sort: { key: 'spans', descending: true } }))).toMatchObject({ more: true });
  });

  it('lists nothing that turns out not to match when all of it is known', async () => {
    const traces = { 1: { start: 59 }, 2: { start: 58 } };
    store(traces, { 1: { duration: 20 * 60e9 } });
    expect(numbers(await searchTraces(question({ filter: { ...EVERY, maxDuration: 1e9 } })))).toEqual([2]);
    store(traces, { 2: { errors: 1 } });
    expect(numbers(await searchTraces(question({ filter: { ...EVERY, status: 'ok' } })))).toEqual([1]);
  });

  it('looks further around for traces that last longer', async () => {
    const asked = store({ 1: { start: 59 } });
    await searchTraces(question({ filter: { ...EVERY, minDuration: 600e9 } }));
    expect(asked[0]).toMatchObject({ kind: 'ranked', from: 35 * MINUTE, to: 80 * MINUTE });
  });

  it('tells what it has so far', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    store({ 1: { start: 59.9 }, 2: { start: 1 } });
    const answer = globalThis.fetch;
    vi.stubGlobal('fetch', (...request: Parameters<typeof fetch>) => {
      vi.setSystemTime(Date.now() + 300);
      return answer(...request);
    });
    const told: number[][] = [];
    await searchTraces(question(), { onProgress: (search) => told.push(numbers(search)) });
    vi.useRealTimers();
    expect(told[0]).toEqual([1]);
    expect(told.length).toBeLessThan(5);
  });
});

describe('a search that fails', () => {
  /** Answers as the store does, then fails. */
  function failAfter(answers: number, fail: () => Promise<Response> | Response) {
    store({ 1: { start: 59.9 }, 2: { start: 1 } });
    const answer = globalThis.fetch;
    let left = answers;
    vi.stubGlobal('fetch', async (...request: Parameters<typeof fetch>) => (left-- > 0 ? answer(...request) : fail()));
  }
  const away = () => Promise.reject(new TypeError('Failed to fetch'));

  it('keeps what it has, and says why it is not all', async () => {
    failAfter(2, away);
    const found = await searchTraces(question());
    expect(numbers(found)).toEqual([1]);
    expect(found).toMatchObject({
      complete: false,
      problem: { kind: 'away' },
      searched: { from: 60 * MINUTE - 15_000 },
    });
  });

  it('fails where it has nothing', async () => {
    failAfter(0, away);
    await expect(searchTraces(question())).rejects.toMatchObject({ kind: 'away' });
  });

  it('fails where the question is wrong', async () => {
    failAfter(2, () => Response.json({ error: { code: 'invalid_query', message: 'no' } }, { status: 400 }));
    await expect(searchTraces(question())).rejects.toMatchObject({ kind: 'refused', message: 'no' });
  });

  it('takes no ids but ids', async () => {
    serve(() => sqlAnswer([{ trace_id: "' OR 1=1 --" }]));
    await expect(searchTraces(question())).rejects.toMatchObject({ kind: 'broken' });
  });

  it('says so where there is too much to describe', async () => {
    serve((_, sql) => {
      const part = { service: 'a', start: 0, duration: 0, spans: 1, errors: 0, first: null, root: null, tenant: null };
      const rows = sql.includes('first_value') ? MOST_PARTS : 1;
      return sqlAnswer(Array.from({ length: rows }, () => ({ trace_id: idOf(1), ...part })));
    });
    await expect(searchTraces(question())).rejects.toThrow(/too many services/);
  });

  it('ends with what it has when it is stopped, and without an answer when it is given up', async () => {
    for (const given of ['stop', 'signal'] as const) {
      const controller = new AbortController();
      failAfter(2, () => {
        controller.abort();
        return Promise.reject(controller.signal.reason);
      });
      const search = searchTraces(question(), { [given]: controller.signal });
      if (given === 'signal') await expect(search).rejects.toMatchObject({ name: 'AbortError' });
      else expect(await search).toMatchObject({ traces: [{ id: idOf(1) }], problem: 'stopped', complete: false });
    }
  });
});

describe('summarize', () => {
  const part = {
    trace_id: idOf(1),
    service: '',
    start: 0,
    duration: 0,
    spans: 1,
    errors: 0,
    first: null,
    root: null,
    tenant: null,
  };

  it('puts the parts of a trace together', () => {
    const trace = summarize(idOf(1), [
      { ...part, service: 'cart', start: 1_500, duration: 9e6, spans: 3, errors: 1, first: 'add', tenant: 'b' },
      { ...part, service: 'web', start: 1_000, duration: 2e6, spans: 1, first: 'GET /', root: 1_000, tenant: 'a' },
      { ...part, service: 'auth', start: 500, duration: 1, spans: 1, first: 'early' },
    ]);
    expect(trace).toEqual({
      id: idOf(1),
      start: 0.5,
      duration: 10e6,
      spans: 5,
      errors: 1,
      service: 'web',
      operation: 'GET /',
      hasRoot: true,
      services: [
        { name: 'cart', spans: 3, errors: 1 },
        { name: 'auth', spans: 1, errors: 0 },
        { name: 'web', spans: 1, errors: 0 },
      ],
      tenant: 'b',
    });
  });

  it('goes by the earliest span without a root, and by the first of several roots', () => {
    const one = { ...part, service: 'late', start: 9, first: 'late' };
    const other = { ...part, service: 'early', start: 5, first: 'early' };
    expect(summarize(idOf(1), [one, other])).toMatchObject({ service: 'early', hasRoot: false, tenant: undefined });
    expect(
      summarize(idOf(1), [
        { ...one, root: 9 },
        { ...other, root: 10 },
      ]),
    ).toMatchObject({ service: 'late' });
  });
});

describe('fetchTraceSummary', () => {
  it('is nothing where the trace is gone', async () => {
    store({ 1: { start: 5 } });
    expect(await fetchTraceSummary({ id: idOf(1), start: 5 * MINUTE + 0.5 })).toMatchObject({ operation: 'GET 1' });
    expect(await fetchTraceSummary({ id: idOf(2), start: 0 })).toBeUndefined();
  });
});

describe('sampleTraces', () => {
  /** A server with so many traces, of which one in a hundred failed; ids evenly spread. */
  function many(count: number) {
    const shares: number[] = [];
    serve((_, sql) => {
      const bound = /trace_id < '([0-9a-f]{8})/.exec(sql)?.[1];
      const share = bound === undefined ? 1 : Number.parseInt(bound, 16) / 2 ** 32;
      shares.push(share);
      const failedOnly = sql.includes('status_code = 2) GROUP') || /status_code = 2\)\s+GROUP/.test(sql);
      const found = Math.floor((failedOnly ? count / 100 : count) * share);
      const limit = Number(/LIMIT (\d+)$/.exec(sql)?.[1]);
      return sqlAnswer(
        Array.from({ length: Math.min(found, limit) }, (_, index) => ({
          trace_id: idOf(index + (failedOnly ? 1e6 : 0)),
          start: 5_000,
          duration: 1e6,
          spans: 1,
          errors: failedOnly ? 1 : 0,
        })),
      );
    });
    return shares;
  }

  it.each([0, 1, 299, 600])('is all of %s traces', async (count) => {
    many(count);
    const { dots, oneIn, failedOneIn } = await sampleTraces(question());
    expect([dots.length, oneIn, failedOneIn]).toEqual([count, 1, 1]);
  });

  it.each([2_000, 50_000, 1e6, 5e8])('is a share of %s traces that is fit to look at', async (count) => {
    const shares = many(count);
    const { dots, oneIn, failedOneIn } = await sampleTraces(question());
    expect(dots.length).toBeGreaterThanOrEqual(300);
    expect(dots.length).toBeLessThanOrEqual(1_800);
    expect(oneIn).toBeGreaterThan(1);
    expect(failedOneIn).toBeLessThan(oneIn);
    expect(shares.length).toBeLessThan(14);
    expect(dots[0]).toMatchObject({ start: 5, duration: 1e6 });
  });

  it('tells failed ones apart only where both kinds are asked for', async () => {
    many(50_000);
    const { oneIn, failedOneIn } = await sampleTraces(question({ filter: { ...EVERY, status: 'ok' } }));
    expect(failedOneIn).toBe(oneIn);
  });
});
