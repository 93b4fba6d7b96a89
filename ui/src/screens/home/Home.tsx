import { Button } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useSearch } from '@tanstack/react-router';
import { ApiError } from '~/api/http';
import { PageHeader } from '~/components/PageHeader';
import { Failure } from '~/components/states';
import { EmptyRange } from '~/screens/home/EmptyRange';
import { ErrorsPanel } from '~/screens/home/ErrorsPanel';
import { FirstData } from '~/screens/home/FirstData';
import classes from '~/screens/home/Home.module.css';
import { IngestStrip } from '~/screens/home/IngestStrip';
import { useIngest, useNewest } from '~/screens/home/questions';
import { ServicesPanel } from '~/screens/home/ServicesPanel';
import { useChange } from '~/screens/home/useChange';

/** The first screen: which services there are, how they do, what fails. Without data: how to send some. */
export function Home() {
  const { send } = useSearch({ from: '/' });
  const change = useChange();
  const { refusal, newest } = useWhatIsThere();
  const isEmptyStore = newest !== undefined && Object.values(newest).every((time) => time === null);

  if (isEmptyStore || send !== undefined) {
    return (
      <>
        <PageHeader title={isEmptyStore ? 'Waiting for the first data' : 'Send data'} />
        <FirstData isEmpty={isEmptyStore} />
      </>
    );
  }
  return (
    <>
      <PageHeader
        title="Services"
        actions={
          <Button
            size="xs"
            variant="default"
            leftSection={<IconPlus size={14} aria-hidden="true" />}
            onClick={() => change({ send: 'python' })}
          >
            Send data
          </Button>
        }
      />
      {refusal ? <Failure error={refusal} /> : newest ? <EmptyRange newest={newest} /> : <Blocks />}
    </>
  );
}

function Blocks() {
  return (
    <div className={classes.home}>
      <IngestStrip />
      <div className={classes.blocks}>
        <ServicesPanel />
        <ErrorsPanel />
      </div>
    </div>
  );
}

/** Whether there is anything to show; `newest` is known only where the range has nothing at all. */
function useWhatIsThere() {
  const signals = [useIngest('spans'), useIngest('logs'), useIngest('samples')];
  const isEmptyRange = signals.every(({ data, isPlaceholderData }) => data?.total === 0 && !isPlaceholderData);
  const newest = useNewest(isEmptyRange);
  // Without a tenant every block would say the same.
  const refusal = signals.map(({ error }) => error).find((error) => error instanceof ApiError && error.status === 401);
  return { refusal, newest: isEmptyRange ? newest.data : undefined };
}
