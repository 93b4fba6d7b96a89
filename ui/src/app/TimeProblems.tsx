import { Partial } from '~/components/states';
import { useTime } from '~/time/useTime';

/** What the address asks of time and cannot have. */
export function TimeProblems() {
  const { problems } = useTime();
  if (problems.length === 0) return null;
  return <Partial>{problems.join(' ')}</Partial>;
}
