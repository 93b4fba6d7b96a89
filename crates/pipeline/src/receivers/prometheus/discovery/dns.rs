//! `dns_sd_configs`: targets from records of the domain name system.

use std::collections::BTreeMap;
use std::time::Duration;

use simple_dns::TYPE;
use simple_dns::rdata::RData;
use tokio::time::{MissedTickBehavior, interval};

use super::ADDRESS;
use super::resolver::Resolver;
use crate::receivers::prometheus::config::raw::{DnsSd, RecordKind};
use crate::receivers::prometheus::relabel::Labels;

const REFRESH: Duration = Duration::from_secs(30);
const NAME: &str = "__meta_dns_name";
const SRV_TARGET: &str = "__meta_dns_srv_record_target";
const SRV_PORT: &str = "__meta_dns_srv_record_port";
const MX_TARGET: &str = "__meta_dns_mx_record_target";
const NS_TARGET: &str = "__meta_dns_ns_record_target";

pub async fn run(config: DnsSd, job: &str, publish: impl Fn(Vec<Labels>)) {
    let refresh = config.refresh_interval.map_or(REFRESH, |refresh| refresh.0).max(Duration::from_millis(100));
    let mut ticks = interval(refresh);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known: BTreeMap<&str, Vec<Labels>> = BTreeMap::new();
    loop {
        ticks.tick().await;
        // The system's file may have changed.
        let resolver = Resolver::of_system().await;
        for name in &config.names {
            match look_up(&resolver, &config, name).await {
                Ok(targets) => drop(known.insert(name, targets)),
                Err(error) => {
                    tracing::error!(job, name, error, "a name cannot be looked up; what it said before stays");
                }
            }
        }
        publish(known.values().flatten().cloned().collect());
    }
}

pub(super) async fn look_up(resolver: &Resolver, config: &DnsSd, name: &str) -> Result<Vec<Labels>, String> {
    let kind = match config.kind {
        RecordKind::A => TYPE::A,
        RecordKind::Aaaa => TYPE::AAAA,
        RecordKind::Srv => TYPE::SRV,
        RecordKind::Mx => TYPE::MX,
        RecordKind::Ns => TYPE::NS,
    };
    resolver.look_up(name, kind, |record| target(name, config.port.unwrap_or_default(), record)).await
}

/// Records of other types (a CNAME on the way) are no targets.
fn target(name: &str, port: u16, data: &RData<'_>) -> Option<Labels> {
    let mut labels: Labels = [(NAME, name)].into_iter().collect();
    let address = match data {
        RData::A(a) => format!("{}:{port}", std::net::Ipv4Addr::from(a.address)),
        RData::AAAA(aaaa) => format!("[{}]:{port}", std::net::Ipv6Addr::from(aaaa.address)),
        RData::SRV(srv) => {
            labels.set(SRV_TARGET, &format!("{}.", srv.target));
            labels.set(SRV_PORT, &srv.port.to_string());
            format!("{}:{}", srv.target, srv.port)
        }
        RData::MX(mx) => {
            labels.set(MX_TARGET, &format!("{}.", mx.exchange));
            format!("{}:{port}", mx.exchange)
        }
        RData::NS(ns) => {
            labels.set(NS_TARGET, &format!("{}.", ns.0));
            format!("{}:{port}", ns.0)
        }
        _ => return None,
    };
    labels.set(ADDRESS, &address);
    Some(labels)
}
