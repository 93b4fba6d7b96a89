//! The section `prometheus`: what Prometheus has in its configuration file and as flags, for its API and its view of metrics.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde::{Deserialize, Serialize};
use trefoil_query::metrics::{NameTranslation, PrometheusView, PromotedAttributes};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrometheusSection {
    /// What remote read adds to all series: `global.external_labels`.
    pub external_labels: BTreeMap<String, String>,
    /// How metrics that came as OTLP are seen. Can be changed at any time; it holds for what is stored already.
    pub otlp: OtlpSection,
    /// The labels `__type__` and `__unit__` on metrics that came as OTLP: the feature `type-and-unit-labels`.
    pub type_and_unit_labels: bool,
    /// Where scripts in browsers may ask from, a regular expression for whole origins: `web.cors.origin`.
    pub cors_origin: String,
    /// `/-/reload` and `/-/quit` of the Prometheus listener: `web.enable-lifecycle`.
    pub enable_lifecycle: bool,
}

impl Default for PrometheusSection {
    fn default() -> Self {
        Self {
            external_labels: BTreeMap::new(),
            otlp: OtlpSection::default(),
            type_and_unit_labels: false,
            cors_origin: ANYWHERE.to_owned(),
            enable_lifecycle: false,
        }
    }
}

const ANYWHERE: &str = ".*";

/// Prometheus' section `otlp`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpSection {
    pub translation_strategy: Strategy,
    pub promote_resource_attributes: Vec<String>,
    pub promote_all_resource_attributes: bool,
    /// Of those that are promoted as all.
    pub ignore_resource_attributes: Vec<String>,
    pub keep_identifying_resource_attributes: bool,
    pub convert_histograms_to_nhcb: bool,
    pub promote_scope_metadata: bool,
}

/// Prometheus' words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    #[default]
    UnderscoreEscapingWithSuffixes,
    UnderscoreEscapingWithoutSuffixes,
    #[serde(rename = "NoUTF8EscapingWithSuffixes")]
    NoUtf8EscapingWithSuffixes,
    NoTranslation,
}

impl PrometheusSection {
    /// What of it cannot be: the option and why.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let OtlpSection { promote_resource_attributes: these, ignore_resource_attributes: ignored, .. } = &self.otlp;
        let all = self.otlp.promote_all_resource_attributes;
        if all && !these.is_empty() {
            problems.push((
                "otlp.promote_resource_attributes",
                "cannot stand beside promote_all_resource_attributes".into(),
            ));
        }
        if !all && !ignored.is_empty() {
            problems.push(("otlp.ignore_resource_attributes", "needs promote_all_resource_attributes: true".into()));
        }
        for (option, attributes) in
            [("otlp.promote_resource_attributes", these), ("otlp.ignore_resource_attributes", ignored)]
        {
            let mut seen = BTreeSet::new();
            for attribute in attributes.iter().map(|attribute| attribute.trim()) {
                if attribute.is_empty() {
                    problems.push((option, "an attribute without a name".into()));
                } else if !seen.insert(attribute) {
                    problems.push((option, format!("{attribute} stands there twice")));
                }
            }
        }
        if self.external_labels.keys().any(String::is_empty) {
            problems.push(("external_labels", "a label without a name".into()));
        }
        if let Err(error) = self.whole_origins() {
            problems.push(("cors_origin", error.to_string()));
        }
        problems
    }

    /// `None`: any.
    pub fn cors_origin(&self) -> Option<Regex> {
        // Checked when it was loaded.
        (self.cors_origin != ANYWHERE).then(|| self.whole_origins().ok()).flatten()
    }

    fn whole_origins(&self) -> Result<Regex, regex::Error> {
        Regex::new(&format!("^(?:{})$", self.cors_origin))
    }

    pub fn view(&self) -> PrometheusView {
        let otlp = &self.otlp;
        let trimmed = |attributes: &[String]| attributes.iter().map(|name| name.trim().to_owned()).collect();
        PrometheusView {
            translation: match otlp.translation_strategy {
                Strategy::UnderscoreEscapingWithSuffixes => NameTranslation::UnderscoreEscapingWithSuffixes,
                Strategy::UnderscoreEscapingWithoutSuffixes => NameTranslation::UnderscoreEscapingWithoutSuffixes,
                Strategy::NoUtf8EscapingWithSuffixes => NameTranslation::NoUtf8EscapingWithSuffixes,
                Strategy::NoTranslation => NameTranslation::NoTranslation,
            },
            promoted_resource_attributes: match otlp.promote_all_resource_attributes {
                true => PromotedAttributes::AllBut(trimmed(&otlp.ignore_resource_attributes)),
                false => PromotedAttributes::These(trimmed(&otlp.promote_resource_attributes)),
            },
            keep_identifying_resource_attributes: otlp.keep_identifying_resource_attributes,
            convert_histograms_to_nhcb: otlp.convert_histograms_to_nhcb,
            type_and_unit_labels: self.type_and_unit_labels,
            scope_labels: otlp.promote_scope_metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(json: &str) -> PrometheusSection {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn options_that_cannot_stand_together_are_told() {
        for (json, option) in [
            (
                r#"{"otlp": {"promote_all_resource_attributes": true, "promote_resource_attributes": ["a"]}}"#,
                "otlp.promote_resource_attributes",
            ),
            (r#"{"otlp": {"ignore_resource_attributes": ["a"]}}"#, "otlp.ignore_resource_attributes"),
            (r#"{"otlp": {"promote_resource_attributes": ["a", " a"]}}"#, "otlp.promote_resource_attributes"),
            (r#"{"otlp": {"promote_resource_attributes": [" "]}}"#, "otlp.promote_resource_attributes"),
            (r#"{"cors_origin": "("}"#, "cors_origin"),
            (r#"{"external_labels": {"": "x"}}"#, "external_labels"),
        ] {
            let problems = section(json).problems();
            assert_eq!(problems.iter().map(|(option, _)| *option).collect::<Vec<_>>(), [option], "{json}");
        }
        assert_eq!(PrometheusSection::default().problems(), []);
        assert!(PrometheusSection::default().cors_origin().is_none());
    }

    #[test]
    fn options_have_prometheus_names() {
        let section = section(
            r#"{"otlp": {"translation_strategy": "NoUTF8EscapingWithSuffixes", "promote_all_resource_attributes": true,
                "ignore_resource_attributes": ["a "], "promote_scope_metadata": true}, "cors_origin": "https?://a"}"#,
        );
        let view = section.view();
        assert_eq!(view.translation, NameTranslation::NoUtf8EscapingWithSuffixes);
        assert_eq!(view.promoted_resource_attributes, PromotedAttributes::AllBut(vec!["a".to_owned()]));
        assert!(view.scope_labels && !view.type_and_unit_labels);
        let origins = section.cors_origin().unwrap();
        assert!(origins.is_match("http://a") && !origins.is_match("http://a.evil"));
    }
}
