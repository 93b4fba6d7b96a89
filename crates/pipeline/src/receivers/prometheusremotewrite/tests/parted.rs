//! Requests in two.

use trefoil_model::Tenant;

use super::*;
use crate::receivers::prometheusremotewrite::WriteRequest;
use crate::receivers::prometheusremotewrite::part::Parted;
use crate::receivers::prometheusremotewrite::write::Sent;

fn request(version: Version, body: Vec<u8>) -> WriteRequest {
    WriteRequest::sent(Tenant::default(), Sent { version, body: body.into(), remembered: Default::default() }, NOW)
}

/// Names of metrics, and points.
async fn shown(request: Option<WriteRequest>) -> (Vec<String>, u64) {
    let Some(request) = request else { return (Vec::new(), 0) };
    let (telemetry, _) = request.into_telemetry().await.unwrap();
    let items = telemetry.payload.items();
    let body = ExportMetricsServiceRequest::decode(telemetry.payload.into_bytes()).unwrap();
    let scopes = body.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
    let mut names: Vec<String> = scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name).collect();
    names.sort();
    (names, items)
}

#[tokio::test]
async fn whole_metrics_are_parted_in_both_versions() {
    let v1 = [
        series(&[labels("__name__=a"), sample(1.0, NOW_MS)]),
        series(&[labels("__name__=b u=1"), sample(1.0, NOW_MS)]),
        series(&[labels("__name__=a u=1"), sample(1.0, NOW_MS)]),
        series(&[labels("no=name"), sample(1.0, NOW_MS)]),
    ];
    let v2 = [
        symbols(&["", "__name__", "a", "b", "u", "1", "no", "name"]),
        series_v2(&[refs(&[1, 2]), sample(1.0, NOW_MS)]),
        series_v2(&[refs(&[1, 3, 4, 5]), sample(1.0, NOW_MS)]),
        series_v2(&[refs(&[1, 2, 4, 5]), sample(1.0, NOW_MS)]),
        series_v2(&[refs(&[6, 7]), sample(1.0, NOW_MS)]),
    ];
    for (version, body) in [(Version::V1, v1.concat()), (Version::V2, v2.concat())] {
        let whole = request(version, body);
        let parts = whole.part(&|name, labels| name == "a" && labels.iter().any(|(name, _)| *name == "u"));
        let Parted { concerned, rest } = &parts;
        assert_eq!(shown(concerned.clone()).await, (vec!["a".to_owned()], 2), "{version:?}");
        assert_eq!(shown(rest.clone()).await, (vec!["b".to_owned()], 1));
        whole.settle(&parts);
        let report = whole.take_outcome().unwrap().unwrap().report;
        assert_eq!((report.written.samples, report.refused), (3, 1), "nothing is lost and nothing is there twice");
        assert!(report.message().unwrap().contains("it has no label __name__"));

        let parts = whole.part(&|_, _| false);
        assert!(parts.concerned.is_none());
        assert_eq!(shown(parts.rest).await.1, 3);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_told_by_its_reader() {
    let whole = request(Version::V1, vec![0x0a, 0xff]);
    let parts = whole.part(&|_, _| true);
    assert!(parts.concerned.is_none());
    let refused = parts.rest.clone().unwrap().into_telemetry().await.map(|_| ());
    assert!(refused.is_err());
    whole.settle(&parts);
    assert!(whole.take_outcome().unwrap().is_err());
}
