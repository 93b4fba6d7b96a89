import { Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { Loading } from '~/components/states';

const SLOW_AFTER = 3_000;

/** A block whose data is on its way; says so in words when it takes long. */
export function StillAsking({ height, label }: { height: number | string; label: string }) {
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), SLOW_AFTER);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div>
      {isSlow && (
        <Text size="sm" c="dimmed" role="status">
          The server is still at it. Leaving this screen ends the question.
        </Text>
      )}
      <Loading height={height} label={label} />
    </div>
  );
}
