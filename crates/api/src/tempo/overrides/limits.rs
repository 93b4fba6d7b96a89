//! What a tenant may set.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trefoil_pipeline::overrides::{Choice, Generator};

/// Tempo's options that are honoured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Limits {
    /// Always none; whether the list was named.
    forwarders: bool,
    /// By Tempo's names.
    processors: Option<BTreeSet<String>>,
    disable_collection: Option<bool>,
}

const SPAN_METRICS: &str = "span-metrics";
const SERVICE_GRAPHS: &str = "service-graphs";
/// Tempo's, which are not both; it has parts of them, too.
const OTHER_PROCESSORS: [&str; 7] = [
    "service-graphs-request",
    "service-graphs-latency",
    "service-graphs-connection-info",
    "span-metrics-count",
    "span-metrics-latency",
    "span-metrics-size",
    "host-info",
];

/// Objects that hold options.
const AROUND: [&str; 6] = [
    "cost_attribution",
    "metrics_generator",
    "metrics_generator.processor",
    "metrics_generator.processor.service_graphs",
    "metrics_generator.processor.span_metrics",
    "metrics_generator.processor.host_info",
];

const OF_SPAN_METRICS: &str = "it is an option of the connector `spanmetrics`, for all tenants";
const OF_SERVICE_GRAPH: &str = "it is an option of the connector `servicegraph`, for all tenants";
const OF_BOTH: &str = "it is an option of the connectors `spanmetrics` and `servicegraph`, for all tenants";
const OF_STORAGE: &str = "the store has limits of its own (`storage.limits`)";
const NO_SUCH: &str = "there is nothing like it";

/// Options of Tempo that have no effect here, and why.
const REFUSED: &[(&str, &str)] = &[
    ("cost_attribution.dimensions", NO_SUCH),
    ("metrics_generator.collection_interval", OF_BOTH),
    ("metrics_generator.trace_id_label_name", NO_SUCH),
    ("metrics_generator.ingestion_time_range_slack", OF_STORAGE),
    ("metrics_generator.generate_native_histograms", OF_BOTH),
    ("metrics_generator.native_histogram_max_bucket_number", OF_BOTH),
    ("metrics_generator.native_histogram_bucket_factor", OF_BOTH),
    ("metrics_generator.native_histogram_min_reset_duration", NO_SUCH),
    ("metrics_generator.span_name_sanitization", NO_SUCH),
    ("metrics_generator.processor.service_graphs.dimensions", OF_SERVICE_GRAPH),
    ("metrics_generator.processor.service_graphs.enable_client_server_prefix", OF_SERVICE_GRAPH),
    ("metrics_generator.processor.service_graphs.enable_messaging_system_latency_histogram", OF_SERVICE_GRAPH),
    ("metrics_generator.processor.service_graphs.enable_virtual_node_label", OF_SERVICE_GRAPH),
    ("metrics_generator.processor.service_graphs.peer_attributes", OF_SERVICE_GRAPH),
    ("metrics_generator.processor.service_graphs.filter_policies", OF_SERVICE_GRAPH),
    ("metrics_generator.processor.service_graphs.histogram_buckets", OF_SERVICE_GRAPH),
    ("metrics_generator.processor.service_graphs.span_multiplier_key", NO_SUCH),
    ("metrics_generator.processor.service_graphs.enable_tracestate_span_multiplier", NO_SUCH),
    ("metrics_generator.processor.span_metrics.dimensions", OF_SPAN_METRICS),
    ("metrics_generator.processor.span_metrics.intrinsic_dimensions", OF_SPAN_METRICS),
    ("metrics_generator.processor.span_metrics.dimension_mappings", OF_SPAN_METRICS),
    ("metrics_generator.processor.span_metrics.enable_target_info", OF_SPAN_METRICS),
    ("metrics_generator.processor.span_metrics.filter_policies", OF_SPAN_METRICS),
    ("metrics_generator.processor.span_metrics.histogram_buckets", OF_SPAN_METRICS),
    ("metrics_generator.processor.span_metrics.target_info_excluded_dimensions", OF_SPAN_METRICS),
    ("metrics_generator.processor.span_metrics.enable_instance_label", OF_SPAN_METRICS),
    ("metrics_generator.processor.span_metrics.span_multiplier_key", NO_SUCH),
    ("metrics_generator.processor.span_metrics.enable_tracestate_span_multiplier", NO_SUCH),
    ("metrics_generator.processor.host_info.host_identifiers", NO_SUCH),
    ("metrics_generator.processor.host_info.metric_name", NO_SUCH),
];

impl Limits {
    /// The error names the option that cannot be taken.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        Self::of(&serde_json::from_slice(json).map_err(|error| error.to_string())?)
    }

    pub fn of(json: &Value) -> Result<Self, String> {
        let mut limits = Self::default();
        limits.read("", json)?;
        Ok(limits)
    }

    fn read(&mut self, path: &str, value: &Value) -> Result<(), String> {
        let Value::Object(members) = value else {
            let what = if path.is_empty() { "the body" } else { path };
            return Err(format!("{what} must be an object"));
        };
        for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match path.as_str() {
                around if AROUND.contains(&around) => self.read(around, value)?,
                "forwarders" => {
                    if let Some(name) = texts(&path, value)?.first() {
                        return Err(format!(
                            "forwarder \"{name}\" is not a known forwarder, contact your system administrator"
                        ));
                    }
                    self.forwarders = true;
                }
                "metrics_generator.processors" => self.processors = Some(processors(&path, value)?),
                "metrics_generator.disable_collection" => {
                    let flag = value.as_bool().ok_or_else(|| format!("{path} must be true or false"))?;
                    self.disable_collection = Some(flag);
                }
                option => {
                    let refused = REFUSED.iter().find(|(refused, _)| *refused == option);
                    let (option, why) = refused.ok_or_else(|| format!("json: unknown field \"{name}\""))?;
                    return Err(format!("{option} has no effect here and is not taken: {why}"));
                }
            }
        }
        Ok(())
    }

    /// Whether all of it would have an effect where these run.
    pub fn check(&self, running: &BTreeSet<Generator>) -> Result<(), String> {
        for (name, generator, connector) in [
            (SPAN_METRICS, Generator::SpanMetrics, "spanmetrics"),
            (SERVICE_GRAPHS, Generator::ServiceGraphs, "servicegraph"),
        ] {
            let is_wanted = self.processors.as_ref().is_some_and(|processors| processors.contains(name));
            if is_wanted && !running.contains(&generator) {
                return Err(format!(
                    "metrics_generator.processor \"{name}\" has no effect here and is not taken: no pipeline has the connector \
                     `{connector}`, contact your system administrator"
                ));
            }
        }
        Ok(())
    }

    pub fn choice(&self) -> Choice {
        let generator = |name: &String| match name.as_str() {
            SPAN_METRICS => Some(Generator::SpanMetrics),
            SERVICE_GRAPHS => Some(Generator::ServiceGraphs),
            _ => None,
        };
        Choice {
            generators: self.processors.as_ref().map(|names| names.iter().filter_map(generator).collect()),
            is_off: self.disable_collection.unwrap_or(false),
        }
    }

    /// What holds, where these run.
    pub fn merged(&self, running: &BTreeSet<Generator>) -> Self {
        let name = |generator: &Generator| match generator {
            Generator::SpanMetrics => SPAN_METRICS.to_owned(),
            Generator::ServiceGraphs => SERVICE_GRAPHS.to_owned(),
        };
        let running = running.iter().map(name);
        let wanted = |name: &String| self.processors.as_ref().is_none_or(|wanted| wanted.contains(name));
        Self {
            forwarders: true,
            processors: Some(running.filter(wanted).collect()),
            disable_collection: Some(self.disable_collection.unwrap_or(false)),
        }
    }

    /// As Tempo writes it: objects always, options if they are set.
    pub fn json(&self) -> Value {
        let mut json = json!({
            "cost_attribution": {},
            "metrics_generator": { "processor": { "service_graphs": {}, "span_metrics": {}, "host_info": {} } },
        });
        if self.forwarders {
            json["forwarders"] = json!([]);
        }
        if let Some(processors) = &self.processors {
            json["metrics_generator"]["processors"] = json!(processors);
        }
        if let Some(flag) = self.disable_collection {
            json["metrics_generator"]["disable_collection"] = flag.into();
        }
        json
    }
}

fn processors(path: &str, value: &Value) -> Result<BTreeSet<String>, String> {
    let names = texts(path, value)?;
    for name in &names {
        if OTHER_PROCESSORS.contains(name) {
            return Err(format!(
                "metrics_generator.processor \"{name}\" has no effect here and is not taken: {SPAN_METRICS} and {SERVICE_GRAPHS} \
                 are chosen as a whole"
            ));
        }
        if ![SPAN_METRICS, SERVICE_GRAPHS].contains(name) {
            return Err(format!(
                "metrics_generator.processor \"{name}\" is not a known processor, valid values: [{SERVICE_GRAPHS} {SPAN_METRICS}]"
            ));
        }
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

fn texts<'v>(path: &str, value: &'v Value) -> Result<Vec<&'v str>, String> {
    let list = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    list.ok_or_else(|| format!("{path} must be a list of texts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> BTreeSet<Generator> {
        BTreeSet::from([Generator::SpanMetrics, Generator::ServiceGraphs])
    }

    #[test]
    fn what_is_set_is_written_and_chosen() {
        let text = r#"{"forwarders":[],"metrics_generator":{"processors":["span-metrics"],"disable_collection":false,
            "collection_interval":null,"processor":{"span_metrics":{}}}}"#;
        let limits = Limits::parse(text.as_bytes()).unwrap();
        let choice = Choice { generators: Some(BTreeSet::from([Generator::SpanMetrics])), is_off: false };
        assert_eq!((limits.check(&all()), limits.choice()), (Ok(()), choice));
        insta::assert_json_snapshot!(limits.json(), @r#"
        {
          "cost_attribution": {},
          "forwarders": [],
          "metrics_generator": {
            "disable_collection": false,
            "processor": {
              "host_info": {},
              "service_graphs": {},
              "span_metrics": {}
            },
            "processors": [
              "span-metrics"
            ]
          }
        }
        "#);
        assert_eq!(Limits::of(&limits.json()), Ok(limits));
        let nothing = Limits::parse(b"{}").unwrap();
        assert_eq!((nothing.clone(), nothing.choice()), (Limits::default(), Choice::default()));
        assert_eq!(Limits::of(&nothing.json()), Ok(nothing.clone()));
        assert_eq!(nothing.merged(&all()).choice().generators, Some(all()));
    }

    #[test]
    fn what_has_no_effect_is_refused_by_name() {
        let error = |text: &str| Limits::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error(r#"{"x":1}"#), "json: unknown field \"x\"");
        assert_eq!(
            error(r#"{"forwarders":["f"]}"#),
            "forwarder \"f\" is not a known forwarder, contact your system administrator"
        );
        assert_eq!(
            error(r#"{"metrics_generator":{"collection_interval":"30s"}}"#),
            "metrics_generator.collection_interval has no effect here and is not taken: it is an option of the connectors \
             `spanmetrics` and `servicegraph`, for all tenants"
        );
        let processors = |name: &str| error(&format!(r#"{{"metrics_generator":{{"processors":["{name}"]}}}}"#));
        assert!(processors("local-blocks").contains("is not a known processor"));
        assert!(processors("host-info").contains("has no effect here"));
        for (option, _) in REFUSED {
            let nested = option.rsplit('.').fold(json!(1), |value, name| json!({ name: value }));
            assert!(Limits::of(&nested).unwrap_err().starts_with(option), "{option}");
        }
        for (text, expected) in [
            ("[]", "the body must be an object"),
            (r#"{"metrics_generator":5}"#, "metrics_generator must be an object"),
            (r#"{"metrics_generator":{"processors":[5]}}"#, "must be a list of texts"),
            (r#"{"metrics_generator":{"disable_collection":"yes"}}"#, "must be true or false"),
            ("{", "EOF"),
        ] {
            assert!(error(text).contains(expected), "{text}: {}", error(text));
        }
    }

    #[test]
    fn what_does_not_run_cannot_be_chosen() {
        let limits =
            Limits::parse(br#"{"metrics_generator":{"processors":["span-metrics","service-graphs"]}}"#).unwrap();
        assert_eq!(limits.check(&all()), Ok(()));
        let some = BTreeSet::from([Generator::SpanMetrics]);
        assert!(limits.check(&some).unwrap_err().contains("no pipeline has the connector `servicegraph`"));
        assert_eq!(limits.merged(&some).choice().generators, Some(some));
    }
}
