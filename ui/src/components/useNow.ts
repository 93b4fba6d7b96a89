import { useEffect, useState } from 'react';

/** The time of the browser's clock, in milliseconds, moving on every `every` milliseconds: for ages such as “12 s ago”. */
export function useNow(every = 5_000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}
