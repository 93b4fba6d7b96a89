//! The rows of `series`: who a series is, written out once a day.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int32Array, StringViewBuilder, TimestampNanosecondArray, UInt32Array,
    UInt64Array,
};

use super::columns::{NULL, Texts, constant};
use super::points::Kind;
use super::{Decoder, Holder, Metric, Origin, native, with_text};
use crate::Limits;
use crate::attributes::{AnyValue, KeyValue, Tally, close_object, push_attributes, push_member, truncate_string};
use crate::entities::push_entity_refs;
use crate::wire::{Reader, WireError};

/// Where the texts of resource and scope lie in their columns, and what else both say.
#[derive(Debug, Clone, Copy)]
pub struct OriginKeys {
    service_name: i32,
    resource_attributes: i32,
    resource_dropped: u32,
    resource_schema_url: i32,
    scope_name: i32,
    scope_version: i32,
    scope_attributes: i32,
    scope_dropped: u32,
    scope_schema_url: i32,
    entity_refs: i32,
}

/// The same for a metric.
#[derive(Debug, Clone, Copy)]
pub struct MetricKeys {
    unit: i32,
    description: i32,
    metadata: i32,
}

#[derive(Default)]
pub struct SeriesRows {
    metrics: Vec<i32>,
    series_ids: Vec<u64>,
    days: Vec<i32>,
    first_times: Vec<i64>,
    types: TextColumn,
    units: TextColumn,
    descriptions: TextColumn,
    temporalities: Vec<i32>,
    are_monotonic: Vec<bool>,
    metadata: TextColumn,
    attributes: StringViewBuilder,
    service_names: TextColumn,
    resource_attributes: TextColumn,
    resource_dropped: Vec<u32>,
    resource_schema_urls: TextColumn,
    scope_names: TextColumn,
    scope_versions: TextColumn,
    scope_attributes: TextColumn,
    scope_dropped: Vec<u32>,
    scope_schema_urls: TextColumn,
    entity_refs: TextColumn,
}

#[derive(Default)]
struct TextColumn {
    texts: Texts,
    rows: Vec<i32>,
}

impl TextColumn {
    fn finish(self) -> ArrayRef {
        self.texts.column(self.rows)
    }
}

impl<'a> Decoder<'a> {
    #[cold]
    pub(super) fn series_row(
        &mut self,
        origin: &mut Origin<'a>,
        metric: &mut Metric<'a>,
        series_id: u64,
        day: i32,
        time: i64,
        point: Reader<'a>,
    ) -> Result<(), WireError> {
        let of_metric = match metric.keys {
            Some(keys) => keys,
            None => *metric.keys.insert(self.metric_keys(metric)?),
        };
        let of_origin = match origin.keys {
            Some(keys) => keys,
            None => *origin.keys.insert(self.origin_keys(origin)?),
        };
        let attributes = embedded(point, metric.kind.layout().attributes);
        let has_attributes = match metric.kind {
            Kind::Histogram | Kind::ExponentialHistogram => {
                self.attributes_text(attributes.filter(|attribute| !native::is_native(*attribute)))?
            }
            Kind::Gauge | Kind::Sum | Kind::Summary => self.attributes_text(attributes)?,
        };

        let rows = &mut self.series;
        rows.metrics.push(metric.name_key);
        rows.series_ids.push(series_id);
        rows.days.push(day);
        rows.first_times.push(time);
        let metric_type = rows.types.texts.key(metric.kind.name());
        rows.types.rows.push(metric_type);
        rows.units.rows.push(of_metric.unit);
        rows.descriptions.rows.push(of_metric.description);
        rows.temporalities.push(metric.temporality);
        rows.are_monotonic.push(metric.is_monotonic);
        rows.metadata.rows.push(of_metric.metadata);
        rows.attributes.append_option(has_attributes.then_some(&self.text));
        rows.service_names.rows.push(of_origin.service_name);
        rows.resource_attributes.rows.push(of_origin.resource_attributes);
        rows.resource_dropped.push(of_origin.resource_dropped);
        rows.resource_schema_urls.rows.push(of_origin.resource_schema_url);
        rows.scope_names.rows.push(of_origin.scope_name);
        rows.scope_versions.rows.push(of_origin.scope_version);
        rows.scope_attributes.rows.push(of_origin.scope_attributes);
        rows.scope_dropped.push(of_origin.scope_dropped);
        rows.scope_schema_urls.rows.push(of_origin.scope_schema_url);
        rows.entity_refs.rows.push(of_origin.entity_refs);
        Ok(())
    }

    /// Puts the attributes as JSON into `self.text`; false if there are none.
    fn attributes_text(&mut self, attributes: impl Iterator<Item = Reader<'a>>) -> Result<bool, WireError> {
        let mut tally = Tally::default();
        self.text.clear();
        let any = push_attributes(&mut self.text, attributes, self.context.limits, &mut tally)?;
        self.replaced_utf8 += tally.replaced_utf8;
        Ok(any)
    }

    pub(super) fn metric_keys(&mut self, metric: &Metric<'a>) -> Result<MetricKeys, WireError> {
        let metadata = match metric.has_metadata && self.attributes_text(embedded(metric.message, 12))? {
            true => self.series.metadata.texts.key(&self.text),
            false => NULL,
        };
        let replaced = &mut self.replaced_utf8;
        Ok(MetricKeys {
            unit: with_text(metric.unit, replaced, |text| self.series.units.texts.key_or_null(text)),
            description: with_text(metric.description, replaced, |text| {
                self.series.descriptions.texts.key_or_null(text)
            }),
            metadata,
        })
    }

    fn origin_keys(&mut self, origin: &Origin<'a>) -> Result<OriginKeys, WireError> {
        let limits = self.context.limits;
        let (service_name, has_rest, resource_dropped) = self.resource_text(origin.resource, limits)?;
        let rows = &mut self.series;
        let replaced = &mut self.replaced_utf8;
        let mut text_key = |text: &[u8], column: &mut TextColumn| {
            let text = truncate_string(text, limits.max_attribute_value_bytes);
            with_text(text, replaced, |text| column.texts.key_or_null(text))
        };
        let resource_schema_url = text_key(origin.resource.schema_url, &mut rows.resource_schema_urls);
        let scope_name = text_key(origin.scope_name, &mut rows.scope_names);
        let scope_version = text_key(origin.scope_version, &mut rows.scope_versions);
        let scope_schema_url = text_key(origin.scope.schema_url, &mut rows.scope_schema_urls);
        let service_name = service_name.map_or(NULL, |name| {
            let name = truncate_string(name, limits.max_attribute_value_bytes);
            with_text(name, replaced, |name| rows.service_names.texts.key(name))
        });
        let resource_attributes = match has_rest {
            true => rows.resource_attributes.texts.key(&self.text),
            false => NULL,
        };

        self.text.clear();
        let mut tally = Tally::default();
        let attributes = embedded(origin.scope.message, origin.scope.attributes);
        let has_attributes = push_attributes(&mut self.text, attributes, limits, &mut tally)?;
        self.replaced_utf8 += tally.replaced_utf8;
        let scope_attributes = match has_attributes {
            true => self.series.scope_attributes.texts.key(&self.text),
            false => NULL,
        };
        Ok(OriginKeys {
            service_name,
            resource_attributes,
            resource_dropped,
            resource_schema_url,
            scope_name,
            scope_version,
            scope_attributes,
            scope_dropped: origin.scope.dropped.saturating_add(tally.dropped),
            scope_schema_url,
            entity_refs: origin.resource.entity_refs.unwrap_or(NULL),
        })
    }

    /// Keeps the entities of a resource for the rows that will need them.
    #[cold]
    pub(super) fn entity_refs(
        &mut self,
        references: &[Reader<'a>],
        resource: &mut Holder<'a>,
    ) -> Result<(), WireError> {
        let mut tally = Tally::default();
        self.text.clear();
        push_entity_refs(&mut self.text, references, self.context.limits, &mut tally)?;
        self.replaced_utf8 += tally.replaced_utf8;
        resource.dropped = resource.dropped.saturating_add(tally.dropped);
        resource.entity_refs = Some(self.series.entity_refs.texts.key_or_null(&self.text));
        Ok(())
    }

    /// Puts a resource's attributes into `self.text`, all but the first `service.name` that is a string: (that name,
    /// whether there are others, how many were dropped).
    fn resource_text(
        &mut self,
        resource: Holder<'a>,
        limits: &Limits,
    ) -> Result<(Option<&'a [u8]>, bool, u32), WireError> {
        let mut service_name = None;
        let mut tally = Tally::default();
        self.text.clear();
        for (index, message) in embedded(resource.message, resource.attributes).enumerate() {
            if index >= limits.max_attributes {
                tally.dropped = tally.dropped.saturating_add(1);
                continue;
            }
            match KeyValue::parse(message)? {
                KeyValue { key: b"service.name", value: AnyValue::String(name) } if service_name.is_none() => {
                    service_name = Some(name);
                }
                attribute => push_member(&mut self.text, 0, &attribute, limits, &mut tally)?,
            }
        }
        self.replaced_utf8 += tally.replaced_utf8;
        let has_rest = close_object(&mut self.text, 0);
        Ok((service_name, has_rest, resource.dropped.saturating_add(tally.dropped)))
    }
}

/// The embedded messages of one field of a message that was read through before, so that it has no errors any more.
fn embedded(message: Reader<'_>, number: u32) -> impl Iterator<Item = Reader<'_>> {
    message.filter_map(Result::ok).filter(move |field| field.number == number).filter_map(|field| field.message().ok())
}

impl SeriesRows {
    /// (series id, day) of every row.
    pub fn new_series(&self) -> Vec<(u64, i32)> {
        self.series_ids.iter().copied().zip(self.days.iter().copied()).collect()
    }

    /// The columns of [`crate::schema`]'s `series`, in its order.
    pub fn finish(mut self, tenant: &str, metrics: &Texts) -> Vec<ArrayRef> {
        if self.series_ids.is_empty() {
            return vec![];
        }
        vec![
            constant(tenant, self.series_ids.len()),
            metrics.column(self.metrics),
            Arc::new(UInt64Array::from(self.series_ids)),
            Arc::new(Date32Array::from(self.days)),
            Arc::new(TimestampNanosecondArray::from(self.first_times)),
            self.types.finish(),
            self.units.finish(),
            self.descriptions.finish(),
            Arc::new(Int32Array::from(self.temporalities)),
            Arc::new(BooleanArray::from(self.are_monotonic)),
            self.metadata.finish(),
            Arc::new(self.attributes.finish()),
            self.service_names.finish(),
            self.resource_attributes.finish(),
            Arc::new(UInt32Array::from(self.resource_dropped)),
            self.resource_schema_urls.finish(),
            self.scope_names.finish(),
            self.scope_versions.finish(),
            self.scope_attributes.finish(),
            Arc::new(UInt32Array::from(self.scope_dropped)),
            self.scope_schema_urls.finish(),
            self.entity_refs.finish(),
        ]
    }
}
