//! The command line. Its help is the first documentation that anyone reads.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

#[derive(Debug, Parser)]
#[command(
    name = "trefoil",
    version,
    about = "Traces, logs and metrics in one program",
    long_about = "Trefoil takes OpenTelemetry data in, keeps it in open Parquet tables, and answers the APIs that people \
                  already use.\n\nSee it at work:      trefoil demo --serve\nStart it:            trefoil serve\nSend it data:        \
                  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 your-program\nLook at what came:   \
                  trefoil sql \"SELECT service_name, name, count(*) FROM spans GROUP BY ALL\"\nWatch a metric:      \
                  trefoil query --since 1h 'sum(rate(http_server_request_duration_seconds_count[5m]))'\nLook at one trace:   \
                  trefoil trace 4bf92f3577b34da6a3ce929d0e0e4736",
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server.
    ///
    /// Without a configuration file it runs all-in-one: OTLP on 127.0.0.1:4317 (gRPC) and :4318 (HTTP), its own API on
    /// :3000, Tempo's on :3200, Loki's on :3100, Prometheus' on :9090, Jaeger's on :16686 and :16685 (gRPC) with its spans
    /// on :14250 and :14268, Zipkin's with its spans on :9411, metrics and health on :8888. SIGHUP reloads the configuration;
    /// SIGTERM and Ctrl-C drain and stop.
    Serve(ServeArgs),
    /// Run a bookstore of nine services that sends traces, logs and metrics.
    ///
    /// Customers browse and buy in it until Ctrl-C; one checkout is a trace of 12 spans over 9 services. With --serve it
    /// brings its own server. Place an order yourself at the bookstore's gateway:
    ///
    /// curl 127.0.0.1:8080/api/v2/checkout -d '{"items": [{"isbn": "978-0-13-468599-1", "qty": 1}], "payment_method":
    /// "pm_card_visa"}'
    ///
    /// Faults on demand: GET and PUT 127.0.0.1:8080/demo/faults.
    Demo(Box<DemoArgs>),
    /// Check a configuration file without starting anything.
    ///
    /// Prints every mistake with its line; exits with 1 if there is one.
    Check {
        /// The YAML file, in the OpenTelemetry Collector's schema with Trefoil's own sections beside it.
        file: PathBuf,
    },
    /// Run one SQL query on a running server.
    ///
    /// Tables: spans, logs, samples, series, exemplars. `DESCRIBE spans` lists the columns of one. Ids are written in hex:
    /// WHERE trace_id = '4bf92f3577b34da6a3ce929d0e0e4736'.
    Sql(SqlArgs),
    /// Run one PromQL query on a running server, or one of LogQL that asks for a metric.
    ///
    /// At one time by default: an instant vector is printed as a table. With --since, --start, --end or --step over a range
    /// of time: each series is printed as a small chart.
    ///
    /// trefoil query 'up'
    ///
    /// trefoil query --since 6h 'histogram_quantile(0.95, sum by (le) (rate(http_server_request_duration_seconds_bucket[5m])))'
    Query(QueryArgs),
    /// Write lines of logs that match a query: as text, JSON lines or CSV, however many.
    ///
    /// On a terminal the newest 100 lines, colored by their level; into a file or a pipe all of the last hour, while a bar on
    /// standard error shows how far it is. --follow goes on with lines as they come, also across restarts of the server. What counts
    /// lines is asked by `trefoil query --language logql`.
    ///
    /// trefoil logs '{service_name="cart"} |= "declined"' --since 6h -o jsonl > declined.jsonl
    ///
    /// trefoil logs '{service_name=~".+"} | detected_level="error"' --follow
    Logs(LogsArgs),
    /// Show where the series of metrics come from.
    ///
    /// Ranks metrics, labels or pairs of a label and a value by the series they have had in the last hour, says how many more
    /// that is than a day before, and which label makes most series of a metric.
    ///
    /// trefoil cardinality --since 1h --ago 1h --sort growth
    ///
    /// trefoil cardinality --metric http_requests_total --by pair
    Cardinality(CardinalityArgs),
    /// Print one trace as a waterfall, or what it says.
    ///
    /// trefoil trace 4bf92f3577b34da6a3ce929d0e0e4736 --critical-path
    Trace(TraceArgs),
    /// Show exceptions, those that are the same together.
    ///
    /// trefoil exceptions --since 24h --service orders
    Exceptions(ExceptionsArgs),
    /// Show which services call which others, how often, with what result and in what time.
    ServiceGraph(ServiceGraphArgs),
    /// Show between which services the context of traces gets lost.
    ///
    /// A service that does not hand on `traceparent` makes the next one begin a trace of its own; one whose spans do not arrive
    /// leaves spans without their parents.
    Propagation(PropagationArgs),
    /// Write traces in the JSON of another system: one by its id, or all that match a query.
    ///
    /// trefoil export 4bf92f3577b34da6a3ce929d0e0e4736 --format jaeger > trace.json
    ///
    /// trefoil export --query '{ status = error }' --since 6h --output errors.json
    Export(ExportArgs),
    /// Send traces from files to a running server.
    ///
    /// Reads what `trefoil export`, Jaeger, Zipkin, Tempo, Grafana and the Collector's file exporter write, compressed by gzip or
    /// zstd or not, and finds out which it is. Files may be of any size. What is broken is told with its line and left out; then,
    /// or when the server refuses spans, the exit status is 1.
    ///
    /// trefoil import --tenant acme-books traces-*.json.gz
    Import(ImportArgs),
    /// Print a completion script for a shell.
    ///
    /// For bash: trefoil completions bash > /etc/bash_completion.d/trefoil
    Completions { shell: Shell },
}

#[derive(Debug, Default, Args)]
pub struct ServeArgs {
    /// The configuration file; built-in defaults without it.
    #[arg(long, env = "TREFOIL_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the log, the embedded catalog and local data files live; overrides `storage.path`.
    #[arg(long, env = "TREFOIL_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// A Prometheus' configuration, whose jobs are scraped into the store. SIGHUP reads it again.
    #[arg(long, env = "TREFOIL_PROMETHEUS_CONFIG", value_name = "FILE")]
    pub prometheus_config: Option<PathBuf>,
    /// Whose the scraped samples are, where tenants are told apart.
    #[arg(long, env = "TREFOIL_PROMETHEUS_TENANT", value_name = "TENANT", requires = "prometheus_config")]
    pub prometheus_tenant: Option<String>,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    #[command(flatten)]
    pub options: trefoil_demo::Options,
    /// Run a server in the same process and send everything to it
    #[arg(long)]
    pub serve: bool,
    /// The configuration file of that server; built-in defaults without it
    #[arg(long, value_name = "FILE", requires = "serve")]
    pub config: Option<PathBuf>,
    /// Where that server keeps its data and its log; overrides `storage.path`
    #[arg(long, value_name = "DIR", requires = "serve")]
    pub data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct SqlArgs {
    /// The query, or `-` to read it from standard input.
    pub query: String,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Args)]
pub struct QueryArgs {
    /// The query, or `-` to read it from standard input.
    pub query: String,
    /// What it is written in; LogQL has to ask for a metric (`trefoil logs` is for lines).
    #[arg(long, short, value_enum, default_value_t = Language::Promql)]
    pub language: Language,
    /// When to evaluate it: seconds since 1970, or RFC 3339 (2026-01-31T12:00:00Z); now without it.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["since", "start", "end", "step"], allow_hyphen_values = true)]
    pub time: Option<String>,
    /// How far a range goes back from its end (90s, 1h30m, 7d); 1h without it.
    #[arg(long, value_name = "DURATION", conflicts_with = "start")]
    pub since: Option<String>,
    /// Where a range begins.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub start: Option<String>,
    /// Where a range ends; now without it.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub end: Option<String>,
    /// From one value of a range to the next (15s); a 120th of the range without it.
    #[arg(long, value_name = "DURATION")]
    pub step: Option<String>,
    /// Series in the answer; without it 1000 in a table, 20 as charts, any number in JSON (of LogQL there always).
    #[arg(long)]
    pub limit: Option<u32>,
    /// Print what was read, pruned and spent instead of the result; in JSON beside it. PromQL only.
    #[arg(long)]
    pub explain: bool,
    #[arg(long, value_enum, default_value_t = QueryOutput::Table)]
    pub output: QueryOutput,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// LogQL that asks for lines, or `-` to read it from standard input.
    pub query: String,
    /// How far back lines begin (90s, 1h30m, 7d); 1h without it.
    #[arg(long, value_name = "DURATION", conflicts_with = "from")]
    pub since: Option<String>,
    /// Lines from here on: seconds or nanoseconds since 1970, or RFC 3339 (2026-01-31T12:00:00Z).
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// … and before this; now without it.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with = "follow")]
    pub to: Option<String>,
    /// The oldest lines first, not the newest.
    #[arg(long, conflicts_with = "follow")]
    pub forward: bool,
    /// Lines at most; without it 100 on a terminal, all of them into a file or a pipe. With --follow of those that are there: 100
    /// without it.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    #[arg(long, short, value_enum, default_value_t = LogsOutput::Text)]
    pub output: LogsOutput,
    /// In text, show these labels only, also such as are structured metadata or parsed (app,trace_id); those of the stream without it.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub labels: Vec<String>,
    /// In text, show no labels.
    #[arg(long, conflicts_with = "labels")]
    pub no_labels: bool,
    /// Go on with lines as they come, until Ctrl-C.
    #[arg(long, short)]
    pub follow: bool,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogsOutput {
    /// The time, labels, the line.
    Text,
    /// The line alone, as it is.
    Raw,
    /// A JSON object for each line, with everything that is known of it.
    Jsonl,
    /// A table with a header; labels are JSON objects.
    Csv,
}

#[derive(Debug, Args)]
pub struct CardinalityArgs {
    /// How far the window goes back from its end (15m, 1h, 7d).
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub since: String,
    /// Where the window ends: seconds since 1970, or RFC 3339; now without it.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub end: Option<String>,
    /// How much earlier the window lies to compare with; 0 compares with none.
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    pub ago: String,
    /// Only series of this metric.
    #[arg(long)]
    pub metric: Option<String>,
    /// Only series that this PromQL selector selects.
    #[arg(long = "match", value_name = "SELECTOR")]
    pub selector: Option<String>,
    #[arg(long, value_enum, default_value_t = CardinalityBy::Metric)]
    pub by: CardinalityBy,
    /// With `--by pair`: values of this label only.
    #[arg(long)]
    pub label: Option<String>,
    #[arg(long, value_enum, default_value_t = CardinalitySort::Series)]
    pub sort: CardinalitySort,
    /// Rows at most.
    #[arg(long, default_value_t = 20)]
    pub limit: u32,
    #[arg(long, short, value_enum, default_value_t = QueryOutput::Table)]
    pub output: QueryOutput,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The trace id, in up to 32 hexadecimal digits.
    #[arg(required_unless_present = "query", conflicts_with_all = ["query", "since", "start", "end", "limit"])]
    pub id: Option<String>,
    /// TraceQL: traces that match are written. `{}` is all of them.
    #[arg(long, short, value_name = "TRACEQL")]
    pub query: Option<String>,
    /// How far the window goes back from its end (90s, 1h30m, 7d); 1h without it.
    #[arg(long, value_name = "DURATION", conflicts_with = "start")]
    pub since: Option<String>,
    /// Where the window begins: seconds since 1970, or RFC 3339.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub start: Option<String>,
    /// Where the window ends; now without it.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub end: Option<String>,
    /// Traces at most.
    #[arg(long, default_value_t = 1000)]
    pub limit: u32,
    #[arg(long, short, value_enum, default_value_t = ExportFormat::Otlp)]
    pub format: ExportFormat,
    /// Where to; standard output without it.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// OTLP's JSON, a line for each trace. It holds everything.
    Otlp,
    /// Tempo's answer to a question for a trace, a line for each. It holds everything.
    Tempo,
    /// What Jaeger's UI downloads and reads.
    Jaeger,
    /// Spans as Zipkin takes them.
    Zipkin,
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The files, `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What the files are; found out by content without it.
    #[arg(long, short, value_enum)]
    pub format: Option<ImportFormat>,
    /// Send to this address of OTLP over HTTP instead (http://127.0.0.1:4318).
    #[arg(long, value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// How long to go on trying where the server takes nothing for now.
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    pub retry_for: String,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportFormat {
    /// OTLP's JSON, also as the Collector's file exporter writes it.
    Otlp,
    /// Tempo's answers, and what Grafana downloads.
    Tempo,
    /// What Jaeger's API answers and its UI downloads.
    Jaeger,
    /// Spans of Zipkin, versions 1 and 2.
    Zipkin,
}

#[derive(Debug, Args)]
pub struct TraceArgs {
    /// The trace id, in up to 32 hexadecimal digits.
    pub id: String,
    /// Print what the whole waited for, and where the time went by service and operation.
    #[arg(long, group = "view")]
    pub critical_path: bool,
    /// Print which spans are of clocks that disagree.
    #[arg(long, group = "view")]
    pub clock_skew: bool,
    /// Print which services call which others.
    #[arg(long, group = "view")]
    pub service_graph: bool,
    /// Print exceptions, those that are the same together.
    #[arg(long, group = "view")]
    pub exceptions: bool,
    /// Print what was logged in it.
    #[arg(long, group = "view")]
    pub logs: bool,
    /// Print how another trace differs from this one.
    #[arg(long, group = "view", value_name = "OTHER")]
    pub diff: Option<String>,
    /// How far spans are moved where clocks disagree (250ms); not at all without it.
    #[arg(long, value_name = "DURATION", requires = "view", conflicts_with_all = ["service_graph", "exceptions", "logs", "diff"])]
    pub max_clock_skew: Option<String>,
    /// Rows of the view at most.
    #[arg(long, requires = "view")]
    pub limit: Option<u32>,
    /// Of the view.
    #[arg(long, short, value_enum, default_value_t = QueryOutput::Table, requires = "view")]
    pub output: QueryOutput,
    #[command(flatten)]
    pub server: Server,
}

/// Spans that start within.
#[derive(Debug, Args)]
pub struct Window {
    /// How far the window goes back from its end (15m, 1h, 7d).
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub since: String,
    /// Where the window ends: seconds since 1970, or RFC 3339; now without it.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub end: Option<String>,
}

#[derive(Debug, Args)]
pub struct ExceptionsArgs {
    #[command(flatten)]
    pub window: Window,
    /// Only of this service.
    #[arg(long)]
    pub service: Option<String>,
    /// Only of this `exception.type`.
    #[arg(long = "type", value_name = "TYPE")]
    pub exception_type: Option<String>,
    /// Kinds of exceptions at most.
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
    #[arg(long, short, value_enum, default_value_t = QueryOutput::Table)]
    pub output: QueryOutput,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Args)]
pub struct ServiceGraphArgs {
    #[command(flatten)]
    pub window: Window,
    /// Edges at most.
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
    #[arg(long, short, value_enum, default_value_t = QueryOutput::Table)]
    pub output: QueryOutput,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Args)]
pub struct PropagationArgs {
    #[command(flatten)]
    pub window: Window,
    /// How long the spans of parents and callers may take to arrive; younger spans are not looked at.
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    pub wait: String,
    /// How much earlier than the window parents and callers may have begun.
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub lookback: String,
    /// Pairs of services at most.
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
    #[arg(long, short, value_enum, default_value_t = QueryOutput::Table)]
    pub output: QueryOutput,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CardinalityBy {
    Metric,
    Label,
    /// A label with a value.
    Pair,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CardinalitySort {
    /// What has most series first.
    Series,
    /// What gained most series first.
    Growth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Promql,
    Logql,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QueryOutput {
    /// A table, or charts of a range.
    Table,
    /// What the server answered, as Prometheus would.
    Json,
}

/// Which server to ask, as whom.
#[derive(Debug, Args)]
pub struct Server {
    /// The main listener of the server.
    #[arg(long, env = "TREFOIL_ENDPOINT", default_value = "http://127.0.0.1:3000", value_name = "URL")]
    pub endpoint: String,
    /// The tenant, where the server is multi-tenant.
    #[arg(long, env = "TREFOIL_TENANT")]
    pub tenant: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
    Csv,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
