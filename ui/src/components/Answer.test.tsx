import { keepPreviousData, QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query';
import { act, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '~/api/http';
import { Answer, SLOW_AFTER } from '~/components/Answer';
import { renderInTheme } from '~/test/render';
import { type Time, TimeContext } from '~/time/useTime';

const time: Time = {
  range: { from: 'now-1h', to: 'now' },
  interval: { from: 0, to: 1 },
  zone: 'utc',
  refreshEvery: 0,
  refresh: () => undefined,
  problems: [],
};

function Books({ shelf, ask }: { shelf: number; ask: () => Promise<string> }) {
  const query = useQuery({
    queryKey: ['books', shelf],
    queryFn: ask,
    placeholderData: keepPreviousData,
    retry: false,
  });
  return (
    <Answer of={query} height={100} label="books">
      {(books) => <p>{books}</p>}
    </Answer>
  );
}

function renderBooks(ask: () => Promise<string>) {
  const client = new QueryClient();
  const tree = (shelf: number) => (
    <QueryClientProvider client={client}>
      <TimeContext value={time}>
        <Books shelf={shelf} ask={ask} />
      </TimeContext>
    </QueryClientProvider>
  );
  const { rerender } = renderInTheme(tree(1));
  return { turnTo: (shelf: number) => rerender(tree(shelf)) };
}

afterEach(() => {
  vi.useRealTimers();
});

describe('Answer', () => {
  it('waits, says when that takes long, and shows what comes', async () => {
    vi.useFakeTimers();
    let arrive = (_: string) => {};
    renderBooks(() => new Promise((resolve) => (arrive = resolve)));
    expect(screen.getByLabelText('Loading books')).toBeVisible();
    expect(screen.queryByText(/Still asking/)).toBeNull();
    await act(() => vi.advanceTimersByTimeAsync(SLOW_AFTER + 1));
    expect(screen.getByText(/Still asking/)).toBeVisible();
    arrive('Ulysses');
    await act(() => vi.advanceTimersByTimeAsync(1));
    expect(screen.getByText('Ulysses')).toBeVisible();
    expect(screen.queryByText(/Still asking/)).toBeNull();
  });

  it('says what failed, and works on another try', async () => {
    const ask = vi.fn().mockRejectedValueOnce(new ApiError('away', 'Nobody there.')).mockResolvedValue('Ulysses');
    renderBooks(ask);
    expect(await screen.findByRole('alert')).toHaveTextContent('Nobody there.');
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByText('Ulysses')).toBeVisible();
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('keeps the last answer when the next question fails, and says so', async () => {
    const ask = vi.fn().mockResolvedValueOnce('Ulysses').mockRejectedValue(new ApiError('away', 'Nobody there.'));
    const { turnTo } = renderBooks(ask);
    expect(await screen.findByText('Ulysses')).toBeVisible();
    turnTo(2);
    expect(await screen.findByText(/could not be asked for again.*Nobody there\./)).toBeVisible();
    expect(screen.getByText('Ulysses')).toBeVisible();
    ask.mockResolvedValue('Dubliners');
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByText('Dubliners')).toBeVisible();
    expect(screen.queryByText(/could not be asked/)).toBeNull();
  });
});
