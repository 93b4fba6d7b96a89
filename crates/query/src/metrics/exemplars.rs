//! Exemplars of the series that a query is about.

use std::collections::BTreeMap;

use trefoil_go::number;
use trefoil_model::Tenant;
use trefoil_promql::ast::{Expr, VectorSelector};
use trefoil_promql::labels::{BUCKET, Labels, LabelsBuilder, METRIC_NAME};
use trefoil_promql::matcher::Matcher;
use trefoil_promql::parser::{self, ParserOptions};

use super::error::PromqlError;
use super::family::Part;
use super::labels::texts;
use super::read::{Bounds, Period, Store, StoredExemplar};
use super::source::wanted;
use super::{Exemplar, SeriesExemplars};
use crate::Engine;

impl Engine {
    /// The exemplars from `start_ms` to `end_ms` (both inclusive) of the series that the selectors of `query` ask for.
    pub async fn exemplars(
        &self,
        tenant: &Tenant,
        query: &str,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<SeriesExemplars>, PromqlError> {
        let expr = parser::parse(query, ParserOptions::ALL)?;
        let mut selectors = Vec::new();
        collect_selectors(&expr, &mut selectors);
        let period = Period { start_ms, end_ms };
        self.in_time(async {
            let store = self.listing_store(tenant).await?;
            let mut found: BTreeMap<Labels, Vec<Exemplar>> = BTreeMap::new();
            for selector in selectors {
                // Of series that two selectors ask for, once.
                found.extend(store.exemplars_of(&selector.matchers, period).await?);
            }
            Ok(found.into_iter().map(|(labels, exemplars)| SeriesExemplars { labels, exemplars }).collect())
        })
        .await
    }
}

fn collect_selectors<'e>(expr: &'e Expr, selectors: &mut Vec<&'e VectorSelector>) {
    match expr {
        Expr::Number(_) | Expr::String(_) => {}
        Expr::Vector(selector) => selectors.push(selector),
        Expr::Matrix(matrix) => selectors.push(&matrix.selector),
        Expr::Subquery(subquery) => collect_selectors(&subquery.expr, selectors),
        Expr::Call(call) => call.args.iter().for_each(|arg| collect_selectors(arg, selectors)),
        Expr::Aggregate(aggregate) => {
            collect_selectors(&aggregate.expr, selectors);
            aggregate.param.iter().for_each(|param| collect_selectors(param, selectors));
        }
        Expr::Binary(binary) => {
            collect_selectors(&binary.lhs, selectors);
            collect_selectors(&binary.rhs, selectors);
        }
        Expr::Unary(unary) => collect_selectors(&unary.expr, selectors),
        Expr::Paren(paren) => collect_selectors(&paren.expr, selectors),
    }
}

impl Store {
    async fn exemplars_of(
        &self,
        matchers: &[Matcher],
        period: Period,
    ) -> Result<BTreeMap<Labels, Vec<Exemplar>>, PromqlError> {
        let mut exemplars: BTreeMap<Labels, Vec<Exemplar>> = BTreeMap::new();
        if period.start_ms > period.end_ms {
            return Ok(exemplars);
        }
        let families = self.families(period);
        let wanted = wanted(&families, matchers);
        let mut found = self.stored_series(&wanted, matchers, period)?;
        // The other parts have none: an exemplar of a histogram is one of a bucket.
        let with_exemplars = |part| matches!(part, Part::Number | Part::Native | Part::Buckets);
        found.series.iter_mut().for_each(|series| series.parts = series.parts.filter(with_exemplars));
        found.series.retain(|series| !series.parts.is_empty());
        let stored = self.exemplars(&wanted, &found, period).await?;
        let has_buckets = found.series.iter().any(|series| series.parts.has(Part::Buckets));
        let bounds = match has_buckets && !stored.is_empty() {
            true => self.bounds(&wanted, &found, period).await?,
            false => vec![None; found.series.len()],
        };
        for exemplar in stored {
            let series = &found.series[exemplar.place];
            for part in series.parts.iter() {
                let mut labels = series.labels.builder();
                labels.set(METRIC_NAME, wanted[series.family].0.part_name(part));
                if part == Part::Buckets {
                    let bucket = bucket_of(exemplar.value, &bounds[exemplar.place]);
                    if !matchers.iter().all(|matcher| matcher.name != BUCKET || matcher.matches(&bucket)) {
                        continue;
                    }
                    labels.set(BUCKET, bucket);
                }
                exemplars.entry(labels.build()).or_default().push(of_prometheus(&exemplar)?);
            }
        }
        for exemplars in exemplars.values_mut() {
            exemplars.sort_by(|a, b| (a.time_ms, &a.labels).cmp(&(b.time_ms, &b.labels)));
        }
        Ok(exemplars)
    }
}

/// The bucket that counts the value: the one with the lowest bound that is not below it.
fn bucket_of(value: f64, bounds: &Bounds) -> String {
    let bounds = bounds.iter().flatten().map(|bits| f64::from_bits(*bits));
    number::decimal(bounds.filter(|bound| *bound >= value).fold(f64::INFINITY, f64::min))
}

fn of_prometheus(exemplar: &StoredExemplar) -> Result<Exemplar, PromqlError> {
    let mut labels = LabelsBuilder::default();
    for (key, value) in texts(exemplar.filtered_attributes.as_deref())? {
        labels.set(key, value);
    }
    for (name, id) in [("trace_id", &exemplar.trace_id), ("span_id", &exemplar.span_id)] {
        if let Some(id) = id {
            labels.set(name, id.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        }
    }
    Ok(Exemplar { labels: labels.build(), value: exemplar.value, time_ms: exemplar.time_ms })
}
