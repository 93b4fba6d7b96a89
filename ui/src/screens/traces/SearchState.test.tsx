import { act, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '~/api/http';
import type { TraceSearch } from '~/data/traces';
import { renderInTheme } from '~/test/render';
import { readQuestion } from './question';
import { SearchState } from './SearchState';

afterEach(() => {
  vi.useRealTimers();
});

const MIDNIGHT = Date.UTC(2026, 4, 20);
const trace = {
  ...{ id: '1'.repeat(32), start: MIDNIGHT, duration: 1, spans: 1, errors: 0 },
  ...{ service: 'web', operation: 'GET', hasRoot: true, services: [], tenant: undefined },
};

function show(search: Partial<TraceSearch> | undefined, { sort = '', isSearching = false, isOld = false } = {}) {
  const acts = { stop: vi.fn(), retry: vi.fn(), onLimit: vi.fn(), onSort: vi.fn() };
  renderInTheme(
    <SearchState
      search={
        search && {
          ...{ traces: [trace], more: false, complete: true },
          searched: { from: MIDNIGHT + 3_600_000, to: MIDNIGHT + 7_200_000 },
          ...search,
        }
      }
      question={readQuestion({ sort })}
      zone="utc"
      isSearching={isSearching}
      isOld={isOld}
      error={null}
      showSort={false}
      {...acts}
    />,
  );
  return acts;
}

describe('SearchState', () => {
  it.each([
    [{}, '', '1 trace, newest first: all that match'],
    [{ more: true }, '-errors', '1 trace, most errors first; there are more'],
    [{ complete: false }, 'duration', '1 trace, shortest first'],
    [{ traces: [] }, '', 'No traces'],
    [{ traces: [], complete: false }, '', ''],
  ] as const)('says of %j sorted by %j: %s', (search, sort, words) => {
    show({ ...search, traces: [...('traces' in search ? search.traces : [trace])] }, { sort });
    expect(screen.getByRole('status').textContent).toBe(words);
  });

  it.each([
    ['', /stopped at 2026-05-20 01:00:00: what is before that is missing/],
    ['time', /stopped at 2026-05-20 02:00:00: what is after that is missing/],
  ])('says what a search that was stopped lacks, sorted by %j', async (sort, words) => {
    const { retry } = show({ complete: false, problem: 'stopped' }, { sort });
    expect(screen.getByText(words)).toBeVisible();
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(retry).toHaveBeenCalledOnce();
  });

  it('says why a search ended early', () => {
    show({ complete: false, problem: new ApiError('timeout', 'No answer within 30 seconds.') });
    expect(screen.getByText(/ended early \(No answer within 30 seconds\.\) at 2026-05-20 01:00:00/)).toBeVisible();
  });

  it.each([
    [{}, false, 'Searching, back to 2026-05-20 01:00:00 so far: 1 trace'],
    [{}, true, 'Still searching'],
    [undefined, false, 'Still searching'],
  ] as const)('speaks of a search that takes long (%j, old: %s)', (search, isOld, words) => {
    vi.useFakeTimers();
    const { stop } = show(search, { isSearching: true, isOld });
    expect(screen.queryByText(words)).toBeNull();
    act(() => vi.advanceTimersByTime(701));
    expect(screen.getByText(words)).toBeVisible();
    screen.getByRole('button', { name: 'Stop' }).click();
    expect(stop).toHaveBeenCalledOnce();
  });

  it('asks for more or fewer', async () => {
    const { onLimit } = show({});
    await userEvent.selectOptions(screen.getByRole('combobox', { name: 'Most traces in the list' }), 'Up to 500');
    expect(onLimit).toHaveBeenCalledWith(500);
  });
});
