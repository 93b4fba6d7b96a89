/**
 * How a program in each language comes to send its first data: what to install, which environment variables, what to
 * run. The protocol is always named, because the SDKs' defaults differ.
 */

import type { Endpoint } from '~/screens/home/endpoints';

export const LANGUAGES = ['python', 'java', 'go', 'node', 'dotnet', 'rust'] as const;
export type Language = (typeof LANGUAGES)[number];

export const LANGUAGE_NAMES: Record<Language, string> = {
  python: 'Python',
  java: 'Java',
  go: 'Go',
  node: 'Node',
  dotnet: '.NET',
  rust: 'Rust',
};

export interface Step {
  title: string;
  code: string;
  note?: string;
}

export interface Destination {
  endpoint: Endpoint;
  /** Where tenants are kept apart, the one that the data belongs to. */
  tenant: string | undefined;
}

/** What to do, in order. All of it is shell, except for the pieces of Go and Rust that belong into the program. */
export function instructions(language: Language, destination: Destination): Step[] {
  const { install, extra, code, run, note } = WAYS[language](destination.endpoint.protocol);
  return [
    { title: 'Install', code: install },
    ...(code ? [{ title: 'Put into the program', code }] : []),
    { title: 'Say where to', code: environment(destination, extra).join('\n') },
    { title: 'Run', code: run, ...(note && { note }) },
  ];
}

/** The environment variables that every SDK reads, as lines of shell. */
export function environment({ endpoint, tenant }: Destination, extra: readonly string[] = []): string[] {
  return [
    'export OTEL_SERVICE_NAME=my-service',
    `export OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint.url}`,
    `export OTEL_EXPORTER_OTLP_PROTOCOL=${endpoint.protocol}`,
    // Lower case, as gRPC wants its metadata.
    ...(tenant === undefined ? [] : [`export OTEL_EXPORTER_OTLP_HEADERS=x-scope-orgid=${percentEncoded(tenant)}`]),
    ...extra.map((line) => `export ${line}`),
  ];
}

/** As header values stand in the variable (that of W3C baggage); nothing is left that a shell would read. */
function percentEncoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*~]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

interface Way {
  install: string;
  extra?: readonly string[];
  code?: string;
  run: string;
  note?: string;
}

const WAYS: Record<Language, (protocol: Endpoint['protocol']) => Way> = {
  python: () => ({
    install: 'pip install opentelemetry-distro opentelemetry-exporter-otlp\nopentelemetry-bootstrap -a install',
    run: 'opentelemetry-instrument python app.py',
    note: 'By itself the distribution speaks gRPC. The bootstrap instruments what it finds installed, and the logging module.',
  }),
  java: () => ({
    install:
      'curl -LO https://github.com/open-telemetry/opentelemetry-java-instrumentation/releases/latest/download/opentelemetry-javaagent.jar',
    run: 'java -javaagent:opentelemetry-javaagent.jar -jar app.jar',
    note: 'The agent instruments the libraries it finds. From version 2 on it speaks HTTP by itself, before that gRPC.',
  }),
  go: () => ({
    install:
      'go get go.opentelemetry.io/otel/sdk \\\n  go.opentelemetry.io/contrib/exporters/autoexport \\\n  go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp',
    code: GO,
    run: 'go run .',
    note: 'autoexport reads the protocol from the environment; the exporters themselves each speak one only.',
  }),
  node: () => ({
    install: 'npm install @opentelemetry/api @opentelemetry/auto-instrumentations-node',
    extra: ['OTEL_METRICS_EXPORTER=otlp', 'OTEL_LOGS_EXPORTER=otlp'],
    run: 'node --require @opentelemetry/auto-instrumentations-node/register app.js',
    note: 'By itself it speaks HTTP with Protobuf. Older versions send traces only unless told otherwise.',
  }),
  dotnet: () => ({
    install:
      'curl -sSfLO https://github.com/open-telemetry/opentelemetry-dotnet-instrumentation/releases/latest/download/otel-dotnet-auto-install.sh\nsh ./otel-dotnet-auto-install.sh',
    run: '. $HOME/.otel-dotnet-auto/instrument.sh\ndotnet MyApp.dll',
    note: 'The automatic instrumentation speaks HTTP by itself, the exporter of the SDK gRPC.',
  }),
  rust: (protocol) => ({
    install: `cargo add opentelemetry opentelemetry_sdk tracing tracing-opentelemetry tracing-subscriber\ncargo add opentelemetry-otlp${protocol === 'grpc' ? ' --features grpc-tonic' : ''}`,
    code: rust(protocol === 'grpc' ? 'with_tonic' : 'with_http'),
    run: 'cargo run',
    note: 'Without features the exporter speaks HTTP with Protobuf; gRPC is the feature grpc-tonic.',
  }),
};

const GO = `exporter, err := autoexport.NewSpanExporter(ctx)
if err != nil {
	log.Fatal(err)
}
provider := trace.NewTracerProvider(trace.WithBatcher(exporter)) // go.opentelemetry.io/otel/sdk/trace
defer provider.Shutdown(ctx)
otel.SetTracerProvider(provider)
otel.SetTextMapPropagator(propagation.TraceContext{})
http.ListenAndServe(":8080", otelhttp.NewHandler(mux, "server"))`;

const rust = (transport: string) => `use opentelemetry::trace::TracerProvider;
use tracing_subscriber::prelude::*;

let exporter = opentelemetry_otlp::SpanExporter::builder().${transport}().build()?;
let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().with_batch_exporter(exporter).build();
let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("my-service"));
tracing_subscriber::registry().with(layer).init();
// … and at the end, so that the last spans leave:
provider.shutdown()?;`;
