import { Alert, Button, Group, Input, SegmentedControl, Text } from '@mantine/core';
import { IconAdjustmentsHorizontal, IconX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { suggestAttributeValues, suggestionInterval, suggestOperations, suggestServices } from '~/data/suggest';
import { cut, visibleLine } from '~/format/outside';
import { useTime } from '~/time/useTime';
import { AttributeFilters } from './AttributeFilters';
import classes from './FilterBar.module.css';
import { describeFilters, type Problem, tenantOf, withoutFilters, withTenant } from './question';
import { ServicesInput } from './ServicesInput';
import type { ChangeSearch, TracesSearch } from './search';
import { TextFilter } from './TextFilter';

interface Props {
  search: TracesSearch;
  problems: readonly Problem[];
  change: ChangeSearch;
  /** The fields would fill the screen: they open on demand. */
  isNarrow: boolean;
}

/** Fields whose problems are said right beside them; the others have no field to stand at. */
const FIELDS: readonly (keyof TracesSearch)[] = ['min', 'max', 'attribute'];

/** All filters, as they stand in the address bar. Every field offers what is there and takes anything. */
export function FilterBar({ search, problems, change, isNarrow }: Props) {
  const { interval } = useTime();
  const near = useMemo(() => suggestionInterval(interval), [interval]);
  const services = [...new Set(search.service ?? [])].filter(Boolean);
  const [asked, setAsked] = useState({ services: false, operations: false, tenants: false });
  const ask = (what: keyof typeof asked) => setAsked((asked) => (asked[what] ? asked : { ...asked, [what]: true }));
  const [isOpen, setOpen] = useState(false);
  const isShown = !isNarrow || isOpen || problems.length > 0;
  const count = describeFilters(search).length;
  const known = {
    services: useQuery({
      queryKey: ['suggest', 'services', near],
      queryFn: ({ signal }) => suggestServices(near, signal),
      enabled: asked.services,
    }),
    operations: useQuery({
      queryKey: ['suggest', 'operations', near, services],
      queryFn: ({ signal }) => suggestOperations({ interval: near, services }, signal),
      enabled: asked.operations,
    }),
    tenants: useQuery({
      queryKey: ['suggest', 'values', near, 'tenant'],
      queryFn: ({ signal }) => suggestAttributeValues({ interval: near, key: 'tenant' }, signal),
      enabled: asked.tenants,
    }),
  };
  const problemOf = (field: keyof TracesSearch) => problems.find((problem) => problem.field === field)?.problem;
  const set = (field: 'operation' | 'min' | 'max' | 'status') => (value: string, replace: boolean) =>
    change((search) => ({ ...search, [field]: value || undefined }), { replace });

  return (
    <search className={classes.bar} aria-label="Filters">
      {isNarrow && (
        <Button
          className={classes.toggle}
          size="xs"
          variant="default"
          leftSection={<IconAdjustmentsHorizontal size={14} aria-hidden />}
          aria-expanded={isShown}
          onClick={() => setOpen(!isOpen)}
        >
          {count === 0 ? 'Filters' : `Filters (${count})`}
        </Button>
      )}
      {isShown && (
        <div className={classes.fields}>
          <ServicesInput
            value={services}
            known={known.services.data}
            onOpen={() => ask('services')}
            onChange={(service) => change((search) => ({ ...search, service }))}
          />
          <TextFilter
            label="Operation"
            placeholder="part of its name"
            value={search.operation ?? ''}
            known={known.operations.data}
            whileTyping
            className={classes.operation}
            onOpen={() => ask('operations')}
            onChange={set('operation')}
          />
          <Input.Wrapper className={classes.status ?? ''} label="Status" labelElement="div" size="xs">
            <SegmentedControl
              size="xs"
              aria-label="Status"
              value={search.status === 'error' || search.status === 'ok' ? search.status : ''}
              data={[
                { value: '', label: 'Any' },
                { value: 'error', label: 'Error' },
                { value: 'ok', label: 'No error' },
              ]}
              onChange={(status) => set('status')(status, false)}
            />
          </Input.Wrapper>
          <TextFilter
            label="Shortest"
            placeholder="250ms"
            value={search.min ?? ''}
            problem={problemOf('min')}
            className={classes.duration}
            onChange={set('min')}
          />
          <TextFilter
            label="Longest"
            placeholder="1.5s"
            value={search.max ?? ''}
            problem={problemOf('max')}
            className={classes.duration}
            onChange={set('max')}
          />
          <TextFilter
            label="Tenant"
            placeholder="any"
            value={tenantOf(search)}
            known={known.tenants.data}
            className={classes.tenant}
            onOpen={() => ask('tenants')}
            onChange={(tenant, replace) =>
              change((search) => ({ ...search, attribute: withTenant(search.attribute ?? [], tenant) }), { replace })
            }
          />
          <AttributeFilters
            value={withTenant(search.attribute ?? [], '')}
            problems={problems}
            interval={near}
            onChange={(attribute) =>
              // A tenant among them was just written; it takes the place of the one before.
              change((search) => ({
                ...search,
                attribute: withTenant(attribute, tenantOf({ attribute }) || tenantOf(search)),
              }))
            }
          />
          {count > 0 && (
            <Button
              className={classes.clear}
              size="xs"
              variant="subtle"
              color="gray"
              leftSection={<IconX size={14} aria-hidden />}
              onClick={() => change(withoutFilters)}
            >
              Clear
            </Button>
          )}
        </div>
      )}
      <AddressProblems problems={problems.filter(({ field }) => !FIELDS.includes(field))} change={change} />
      {problems.length > 0 && (
        <Text size="sm" c="dimmed" role="status">
          Nothing is searched until the filters make sense.
        </Text>
      )}
    </search>
  );
}

/** Parameters that no field shows: somebody wrote them into the address. */
function AddressProblems({ problems, change }: { problems: Problem[]; change: ChangeSearch }) {
  return problems.map(({ field, text, problem }) => (
    <Alert key={field} color="red" p="xs" role="alert">
      <Group gap="sm">
        <Text size="sm" className="outside">
          “{field}=<bdi>{visibleLine(cut(text, 100))}</bdi>” in the address means nothing. {problem}
        </Text>
        <Button
          size="compact-xs"
          variant="default"
          onClick={() => change((search) => ({ ...search, [field]: undefined }))}
        >
          Remove it
        </Button>
      </Group>
    </Alert>
  ));
}
