import { List, Stack, Tabs, Text, Title } from '@mantine/core';
import { useSearch } from '@tanstack/react-router';
import type { Status } from '~/api/status';
import { useStatus } from '~/app/useStatus';
import { Answer } from '~/components/Answer';
import { Code } from '~/components/Code';
import { CopyButton } from '~/components/CopyButton';
import { AnchorLink } from '~/components/links';
import { Empty } from '~/components/states';
import { type Endpoint, endpointsOf } from '~/screens/home/endpoints';
import classes from '~/screens/home/FirstData.module.css';
import { instructions, LANGUAGE_NAMES, LANGUAGES, type Language } from '~/screens/home/instructions';
import { LiveCheck } from '~/screens/home/LiveCheck';
import { useChange } from '~/screens/home/useChange';

/** How data gets in, with an eye on the door. `isEmpty`: the store has nothing at all yet. */
export function FirstData({ isEmpty }: { isEmpty: boolean }) {
  const status = useStatus();
  return (
    <div className={classes.guide}>
      <div className={classes.aside}>
        <LiveCheck isEmpty={isEmpty} />
        <section aria-labelledby="quickest">
          <Title order={2} size="h5" id="quickest" mb={4}>
            The quickest way: a bookstore
          </Title>
          <Text size="sm" mb="xs">
            A demo of nine services, run beside the server, fills every screen within seconds.
          </Text>
          <Code text="trefoil demo" label="Start the demo" />
        </section>
        {!isEmpty && (
          <Text size="sm">
            <AnchorLink to="/" search={{}}>
              Back to the services
            </AnchorLink>
          </Text>
        )}
      </div>
      <section aria-labelledby="own" className={classes.main}>
        <Title order={2} size="h5" id="own" mb={4}>
          Your own programs
        </Title>
        <Answer of={status} height={420} label="ways in">
          {(status) => <OwnPrograms status={status} />}
        </Answer>
      </section>
    </div>
  );
}

function OwnPrograms({ status }: { status: Status }) {
  const { send } = useSearch({ from: '/' });
  const { tenant } = useSearch({ from: '__root__' });
  const change = useChange();
  const endpoints = endpointsOf(status.otlp, window.location);
  const [best] = endpoints;
  if (!best) {
    return (
      <Empty title="This server takes no OTLP">
        Its configuration names no otlp receiver in a pipeline, and switches OTLP off on the main listener.
      </Empty>
    );
  }
  const language = LANGUAGES.find((language) => language === send) ?? 'python';
  const destination = { endpoint: best, tenant: status.tenancy.enabled ? tenant || 'my-tenant' : undefined };
  return (
    <Stack gap="md">
      <Endpoints endpoints={endpoints} />
      {status.tenancy.enabled && (
        <Text size="sm">
          This server keeps tenants apart: each request names its own in the header <code>X-Scope-OrgID</code>.
        </Text>
      )}
      <Tabs
        value={language}
        onChange={(value) => change({ send: value ?? undefined }, { replace: true })}
        keepMounted={false}
      >
        <Tabs.List>
          {LANGUAGES.map((language) => (
            <Tabs.Tab key={language} value={language}>
              {LANGUAGE_NAMES[language]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {LANGUAGES.map((language) => (
          <Tabs.Panel key={language} value={language} pt="sm">
            <Steps language={language} destination={destination} />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Stack>
  );
}

function Steps({ language, destination }: { language: Language; destination: Parameters<typeof instructions>[1] }) {
  return (
    <ol className={classes.steps}>
      {instructions(language, destination).map(({ title, code, note }) => (
        <li key={title}>
          <Text size="sm" fw={600} mb={2}>
            {title}
          </Text>
          <Code text={code} label={`${LANGUAGE_NAMES[language]}: ${title.toLowerCase()}`} />
          {note && (
            <Text size="xs" c="dimmed" mt={2}>
              {note}
            </Text>
          )}
        </li>
      ))}
    </ol>
  );
}

const PROTOCOL_NAMES: Record<Endpoint['protocol'], string> = {
  grpc: 'OTLP over gRPC',
  'http/protobuf': 'OTLP over HTTP',
};

function Endpoints({ endpoints }: { endpoints: readonly Endpoint[] }) {
  return (
    <div>
      <List size="sm" listStyleType="none" spacing={4}>
        {endpoints.map(({ protocol, url, isReachable }) => (
          <List.Item key={url}>
            {PROTOCOL_NAMES[protocol]} at <code>{url}</code> <CopyButton value={url} label={`Copy ${url}`} />
            {!isReachable && ' (only from the machine that Trefoil runs on)'}
          </List.Item>
        ))}
      </List>
      {endpoints.every(({ isLocal }) => isLocal) && (
        <Text size="xs" c="dimmed" mt={4}>
          These listen on loopback: a program in a container or on another machine does not reach them. Give the
          receiver an address such as <code>0.0.0.0:4318</code> in Trefoil’s configuration for that.
        </Text>
      )}
      <Text size="xs" c="dimmed" mt={4}>
        Traces and logs come within seconds; metrics once a minute unless <code>OTEL_METRIC_EXPORT_INTERVAL</code> says
        otherwise (in milliseconds).
      </Text>
    </div>
  );
}
