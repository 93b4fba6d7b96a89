//! Every kind of component this program has.

use super::{ConnectorFactory, ExporterFactory, ExtensionFactory, ProcessorFactory, ReceiverFactory};
use crate::{connectors, exporters, extensions, processors, receivers};

/// What a configuration can name. Public fields, so that a test or an embedder can add kinds of its own.
#[derive(Clone, Default)]
pub struct Registry {
    pub receivers: Vec<ReceiverFactory>,
    pub processors: Vec<ProcessorFactory>,
    pub exporters: Vec<ExporterFactory>,
    pub connectors: Vec<ConnectorFactory>,
    pub extensions: Vec<ExtensionFactory>,
}

impl Registry {
    pub fn builtin() -> Self {
        Self {
            receivers: receivers::FACTORIES.to_vec(),
            processors: processors::FACTORIES.to_vec(),
            exporters: exporters::FACTORIES.to_vec(),
            connectors: connectors::FACTORIES.to_vec(),
            extensions: extensions::FACTORIES.to_vec(),
        }
    }
}
