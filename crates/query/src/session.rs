//! The engine: the storage to ask and the memory that all running queries share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{FunctionRegistry, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use prometheus_client::registry::Registry;
use trefoil_model::{Table, Tenant};
use trefoil_storage::scan::attribute_functions;
use trefoil_storage::{Snapshot, Storage};

use crate::QueryError;
use crate::attributes::PromotedAttributes;
use crate::hex_ids::HexIds;
use crate::limits::Limits;
use crate::logs::{LogView, PatternOptions, Patterns, Streams};
use crate::memory::{Held, SharedMemory};
use crate::metrics::{Metrics, PrometheusView};
use crate::sources::Columns;
use crate::traces::KnownNames;

/// What is known of streams has this part of the memory of logs' columns, beside it.
const STREAMS_PART: u64 = 8;

/// Answers queries over one store. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    storage: Storage,
    runtime: Arc<RuntimeEnv>,
    limits: Arc<ArcSwap<Limits>>,
    memory: SharedMemory,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) span_columns: Arc<Columns>,
    pub(crate) log_columns: Arc<Columns>,
    pub(crate) log_streams: Arc<Streams>,
    pub(crate) log_patterns: Arc<Patterns>,
    pub(crate) known_names: Arc<KnownNames>,
}

impl Engine {
    /// `memory_bytes` bounds what all queries hold together: SQL for sorting, joining and aggregating, questions about metrics
    /// for all that grows with the data, their answers included. Past it SQL spills to disk where it can; else they fail with an error.
    pub fn new(storage: Storage, memory_bytes: usize) -> Result<Self, QueryError> {
        let memory = SharedMemory::new(memory_bytes);
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(memory.pool()).build_arc()?;
        let limits = Limits::default();
        let metrics = Arc::new(Metrics::new(PrometheusView::default(), &limits));
        let span_columns = Arc::new(Columns::new(limits.cached_span_bytes));
        let log_columns = Arc::new(Columns::new(limits.cached_log_bytes));
        Ok(Self {
            storage,
            runtime,
            limits: Arc::new(ArcSwap::from_pointee(limits)),
            memory,
            metrics,
            span_columns,
            log_columns,
            log_streams: Arc::new(Streams::new(LogView::default(), limits.cached_log_bytes / STREAMS_PART)),
            log_patterns: Arc::default(),
            known_names: Arc::default(),
        })
    }

    /// The same engine, with other labels of logs.
    #[must_use]
    pub fn with_log_view(self, view: LogView) -> Self {
        let capacity = self.limits().cached_log_bytes / STREAMS_PART;
        Self { log_streams: Arc::new(Streams::new(view, capacity)), ..self }
    }

    /// The same engine, with other bounds of what it knows of patterns of lines.
    #[must_use]
    pub fn with_patterns(self, options: PatternOptions) -> Self {
        Self { log_patterns: Arc::new(Patterns::new(options)), ..self }
    }

    /// Of the questions that begin now.
    pub fn limits(&self) -> Limits {
        **self.limits.load()
    }

    /// Holds from the next question on, for all clones.
    pub fn set_limits(&self, limits: Limits) {
        self.metrics.set_limits(&limits);
        self.span_columns.set_capacity(limits.cached_span_bytes);
        self.log_columns.set_capacity(limits.cached_log_bytes);
        self.log_streams.set_capacity(limits.cached_log_bytes / STREAMS_PART);
        self.limits.store(Arc::new(limits));
    }

    /// A consistent view of everything of `tenant` that was acknowledged before this call.
    pub async fn snapshot(&self, tenant: &Tenant) -> Result<Snapshot, QueryError> {
        Ok(self.storage.snapshot(tenant).await?)
    }

    /// Where a question counts what it holds, as long as that is kept.
    pub fn memory(&self) -> Arc<Held> {
        Arc::new(self.memory.holding("a question about metrics or traces"))
    }

    /// Registers what is kept between questions about metrics, and the memory of running ones, as `trefoil_query_*`.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.metrics.register(registry);
        self.span_columns.register(registry, "span");
        self.log_columns.register(registry, "log");
        self.log_patterns.register(registry);
        self.memory.register(registry);
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// A session that sees the tables of `snapshot` and nothing else: no other tenant, no file, no setting of the server.
    pub(crate) fn session(&self, snapshot: &Snapshot) -> Result<SessionContext, QueryError> {
        let config = SessionConfig::new()
            .with_default_catalog_and_schema("trefoil", "main")
            .with_information_schema(true)
            .set_bool("datafusion.execution.parquet.pushdown_filters", true)
            .set_bool("datafusion.execution.parquet.reorder_filters", true);
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(self.runtime.clone())
            .with_default_features()
            .build();
        let mut context = SessionContext::new_with_state(state);
        FunctionRegistry::register_expr_planner(&mut context, Arc::new(HexIds))?;
        FunctionRegistry::register_function_rewrite(&mut context, Arc::new(HexIds))?;
        FunctionRegistry::register_function_rewrite(&mut context, Arc::new(PromotedAttributes))?;
        for function in attribute_functions() {
            FunctionRegistry::register_udf(&mut context, function)?;
        }
        for table in Table::ALL {
            context.register_table(table.name(), snapshot.table(table))?;
        }
        Ok(context)
    }
}
