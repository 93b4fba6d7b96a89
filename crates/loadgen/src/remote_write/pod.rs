//! What a Prometheus scrapes of one pod of the bookstore: 200 series, and their values at any tick.
//!
//! Values move about as they do in production, where a Prometheus says that it needs one to two bytes a sample: most series
//! hardly move, and few move much.

use crate::bookstore::{REGIONS, SERVICES};
use crate::random::{below, mix, skewed, unit};

pub const SERIES_PER_POD: usize = 200;

/// Kinds of metrics with the numbers that remote write 2.0 gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter = 1,
    Gauge = 2,
    Histogram = 3,
}

/// One series: its labels sorted by name, and the family that metadata speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    pub labels: Vec<(&'static str, String)>,
    pub family: &'static str,
    pub kind: Kind,
}

const ROUTES: [(&str, &str); 6] = [
    ("GET", "/catalog/items/{id}"),
    ("GET", "/search"),
    ("POST", "/carts/{id}/items"),
    ("POST", "/checkout"),
    ("GET", "/orders/{id}"),
    ("GET", "/health"),
];
const CODES: [&str; 3] = ["200", "404", "500"];
const OPERATIONS: [&str; 3] = ["SELECT", "INSERT", "UPDATE"];
const TOPICS: [&str; 5] = ["orders.placed", "orders.shipped", "payments.charged", "catalog.updated", "emails.queued"];
/// Upper bounds as a scrape writes them, and the microseconds that a request in the bucket takes.
const BUCKETS: [(&str, u64); 12] = [
    ("0.005", 2_900),
    ("0.01", 7_300),
    ("0.025", 16_100),
    ("0.05", 35_700),
    ("0.1", 71_300),
    ("0.25", 160_000),
    ("0.5", 350_000),
    ("1", 710_000),
    ("2.5", 1_600_000),
    ("5", 3_500_000),
    ("10", 7_100_000),
    ("+Inf", 14_000_000),
];
/// Customers known to the whole shop; a pod counts the calls of 24 of them, mostly of the same few.
pub const CUSTOMERS: u64 = 2_000;
const CUSTOMERS_PER_POD: u64 = 24;

/// Where a pod lists its series, and where it writes their values: the same walk for both.
trait Walk {
    /// A series of a family, its name being the family's with `suffix`.
    fn series(&mut self, family: &'static str, suffix: &'static str, kind: Kind, labels: &[(&'static str, &str)]);
    /// The value of the series named last; computed only where values are wanted.
    fn value(&mut self, value: impl FnOnce() -> f64);
}

pub struct Pod {
    random: u64,
    number: u64,
    /// Tick at which it begins anew, all counters at zero.
    restart: u64,
    /// Ticks it has been running when the data begin.
    age: u64,
}

impl Pod {
    pub fn new(seed: u64, number: u64) -> Pod {
        let random = mix(seed, number);
        let restart = if random.is_multiple_of(12) { 30 + below(mix(random, 1), 200) } else { u64::MAX };
        Pod { random, number, restart, age: 100 + below(mix(random, 2), 40_000) }
    }

    /// When in each interval of `step` milliseconds it is scraped.
    pub fn scrape_offset(&self, step: u64) -> u64 {
        below(mix(self.random, 3), step.max(1))
    }

    /// Its series, always in the same order.
    pub fn series(&self) -> Vec<Series> {
        let mut listing = Listing { target: self.target(), series: Vec::with_capacity(SERIES_PER_POD) };
        self.walk(0, 0, &mut listing);
        listing.series
    }

    /// Appends the values of its series at a tick; the data begin at `start` (seconds since the epoch).
    pub fn values(&self, tick: u64, start: u64, values: &mut Vec<f64>) {
        self.walk(tick, start, &mut Values(values));
    }

    fn target(&self) -> Vec<(&'static str, String)> {
        let service = &SERVICES[(self.number % SERVICES.len() as u64) as usize];
        let address = 0x0a00_0000 + 256 + self.number;
        let byte = |place: u32| (address >> (8 * place)) & 0xff;
        vec![
            ("instance", format!("{}.{}.{}.{}:8080", byte(3), byte(2), byte(1), byte(0))),
            ("job", service.name.to_owned()),
            ("namespace", "bookstore".to_owned()),
            ("pod", format!("{}-{:010x}-{:05x}", service.name, mix(self.number % 9, 11) >> 24, self.random >> 44)),
            ("region", REGIONS[(self.number % 3) as usize].to_owned()),
        ]
    }

    /// Ticks since it started.
    fn running(&self, tick: u64) -> u64 {
        tick.checked_sub(self.restart).unwrap_or(self.age + tick)
    }

    fn walk(&self, tick: u64, start: u64, to: &mut impl Walk) {
        use Kind::{Counter, Gauge};
        let mut keys = Keys { random: self.random, next: 0 };
        let running = self.running(tick);
        for (method, route) in &ROUTES[..5] {
            let busy = often(keys.random());
            let labels = [("method", *method), ("route", *route)];
            histogram(to, "http_server_request_duration_seconds", &labels, &mut keys, busy, running);
        }
        for (method, route) in ROUTES {
            let busy = often(keys.random());
            for (code, share) in CODES.iter().zip([1, 50, 400]) {
                to.series(
                    "http_server_requests_total",
                    "",
                    Counter,
                    &[("code", code), ("method", method), ("route", route)],
                );
                let key = keys.random();
                to.value(|| counted(key, busy / share, running) as f64);
            }
        }
        for operation in OPERATIONS {
            let busy = often(keys.random());
            histogram(
                to,
                "db_client_operation_duration_seconds",
                &[("operation", operation)],
                &mut keys,
                busy,
                running,
            );
        }
        for place in 0..CUSTOMERS_PER_POD {
            // One of each range of customers, so that none comes twice.
            let range = CUSTOMERS / CUSTOMERS_PER_POD;
            let customer = place * range + skewed(keys.random(), range);
            to.series("bookstore_api_calls_total", "", Counter, &[("customer", &format!("customer-{customer:04}"))]);
            let key = keys.random();
            to.value(|| counted(key, sometimes(key), running) as f64);
        }
        for topic in TOPICS {
            for direction in ["consumed", "published"] {
                to.series("messages_total", "", Counter, &[("direction", direction), ("topic", topic)]);
                let key = keys.random();
                to.value(|| counted(key, sometimes(key), running) as f64);
            }
        }
        for result in ["hit", "miss", "stale", "error"] {
            to.series("cache_requests_total", "", Counter, &[("result", result)]);
            let key = keys.random();
            to.value(|| counted(key, sometimes(key), running) as f64);
        }
        for direction in ["receive", "transmit"] {
            to.series("network_io_bytes_total", "", Counter, &[("direction", direction)]);
            let key = keys.random();
            to.value(|| counted(key, 1_000_000 * (1 + below(key, 3_000_000)), running) as f64);
        }
        for queue in 0..8 {
            to.series("worker_queue_length", "", Gauge, &[("queue", &format!("queue-{queue}"))]);
            let key = keys.random();
            to.value(|| level(key, tick, key % 3 * 10, 1 + key % 7) as f64);
        }
        for state in ["idle", "used", "pending"] {
            to.series("db_pool_connections", "", Gauge, &[("state", state)]);
            let key = keys.random();
            to.value(|| level(key, tick, 0, 1 + key % 12) as f64);
        }
        for pool in ["eden", "survivor", "old", "metaspace"] {
            to.series("runtime_memory_used_bytes", "", Gauge, &[("pool", pool)]);
            let key = keys.random();
            to.value(|| (4096 * level(key, tick, 20_000, if pool == "metaspace" { 1 } else { 6_000 })) as f64);
        }
        for (method, route) in ROUTES {
            to.series("http_server_active_requests", "", Gauge, &[("method", method), ("route", route)]);
            let key = keys.random();
            to.value(|| level(key, tick, 0, 1 + key % 9) as f64);
        }
        for worker in ["0", "1"] {
            to.series("worker_utilization_ratio", "", Gauge, &[("worker", worker)]);
            let key = keys.random();
            to.value(|| (1e4 * unit(mix(key, tick))).round() / 1e4);
        }
        self.process(tick, start, &mut keys, to);
    }

    fn process(&self, tick: u64, start: u64, keys: &mut Keys, to: &mut impl Walk) {
        use Kind::{Counter, Gauge};
        let service = &SERVICES[(self.number % SERVICES.len() as u64) as usize];
        let running = self.running(tick);
        to.series("process_cpu_seconds_total", "", Counter, &[]);
        let key = keys.random();
        to.value(|| counted(key, 1_000 * (1 + key % 1_200), running) as f64 / 100.0);
        to.series("process_resident_memory_bytes", "", Gauge, &[]);
        let key = keys.random();
        to.value(|| (4096 * level(key, tick, 60_000, 900)) as f64);
        to.series("process_open_fds", "", Gauge, &[]);
        let key = keys.random();
        to.value(|| level(key, tick, 40, 8) as f64);
        to.series("process_start_time_seconds", "", Gauge, &[]);
        let began = start as f64 + (tick as f64 - running as f64) * 15.0 + 0.27;
        to.value(|| began);
        let version = if self.number.is_multiple_of(5) { "canary" } else { service.version };
        to.series("build_info", "", Gauge, &[("language", service.language), ("version", version)]);
        to.value(|| 1.0);
        to.series("up", "", Gauge, &[]);
        to.value(|| 1.0);
        to.series("scrape_duration_seconds", "", Gauge, &[]);
        let key = keys.random();
        to.value(|| (3_000_000 + below(mix(key, tick), 2_000_000)) as f64 / 1e9);
    }
}

/// A value for each series, in the order of the walk.
struct Keys {
    random: u64,
    next: u64,
}

impl Keys {
    fn random(&mut self) -> u64 {
        self.next += 1;
        mix(self.random, 1000 + self.next)
    }
}

/// `busy` thousandths of events a tick in the fullest bucket, fewer in those beside it.
fn histogram(
    to: &mut impl Walk,
    family: &'static str,
    labels: &[(&'static str, &str)],
    keys: &mut Keys,
    busy: u64,
    running: u64,
) {
    let (mut count, mut micros) = (0, 0);
    let peak = below(keys.random(), 4) as i32 + 1;
    for (place, (le, cost)) in BUCKETS.iter().enumerate() {
        let mut with_bound: Vec<(&'static str, &str)> = labels.to_vec();
        with_bound.push(("le", le));
        to.series(family, "_bucket", Kind::Histogram, &with_bound);
        let share = 2.5f64.powi((place as i32 - peak).abs());
        let key = keys.random();
        to.value(|| {
            let events = counted(key, (busy as f64 / share) as u64, running);
            count += events;
            micros += events * cost;
            count as f64
        });
    }
    let key = keys.random();
    to.series(family, "_sum", Kind::Histogram, labels);
    // What differs from the bucket's mean: less than the quickest event, so that the sum never falls.
    to.value(|| (micros + below(mix(key, count), BUCKETS[0].1)) as f64 / 1e6);
    to.series(family, "_count", Kind::Histogram, labels);
    to.value(|| count as f64);
}

/// Thousandths of events a tick: from one in a quarter of an hour to a hundred a second, every magnitude as frequent.
fn often(key: u64) -> u64 {
    (15.0 * 10f64.powf(5.0 * unit(mix(key, 1)))) as u64
}

/// Like [`often`], but half of what can be counted never happens.
fn sometimes(key: u64) -> u64 {
    if key.is_multiple_of(2) { 0 } else { often(key) }
}

/// Events after `running` ticks at `rate` thousandths a tick, scattered about as a Poisson process scatters; never falls.
fn counted(key: u64, rate: u64, running: u64) -> u64 {
    let scatter = ((12_000.0 * rate as f64).sqrt() as u64).min(rate);
    (running * rate + below(mix(key, running), scatter.max(1))) / 1_000
}

/// A level that mostly stays and sometimes moves.
fn level(key: u64, tick: u64, base: u64, spread: u64) -> u64 {
    let held = 1 + key % 12;
    base + below(mix(key, (tick + key % held) / held), spread)
}

struct Listing {
    target: Vec<(&'static str, String)>,
    series: Vec<Series>,
}

impl Walk for Listing {
    fn series(&mut self, family: &'static str, suffix: &'static str, kind: Kind, labels: &[(&'static str, &str)]) {
        let mut all = vec![("__name__", format!("{family}{suffix}"))];
        all.extend(self.target.iter().cloned());
        all.extend(labels.iter().map(|(name, value)| (*name, (*value).to_owned())));
        all.sort_unstable();
        self.series.push(Series { labels: all, family, kind });
    }

    fn value(&mut self, _: impl FnOnce() -> f64) {}
}

struct Values<'a>(&'a mut Vec<f64>);

impl Walk for Values<'_> {
    fn series(&mut self, _: &'static str, _: &'static str, _: Kind, _: &[(&'static str, &str)]) {}

    fn value(&mut self, value: impl FnOnce() -> f64) {
        self.0.push(value());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use super::*;

    #[test]
    fn a_pod_has_200_different_series_of_its_own() {
        let mut seen = BTreeSet::new();
        for number in 0..40 {
            let series = Pod::new(1, number).series();
            assert_eq!(series.len(), SERIES_PER_POD);
            for one in series {
                assert!(one.labels.is_sorted() && one.labels[0].0 == "__name__", "{one:?}");
                assert!(seen.insert(one.labels));
            }
        }
    }

    #[test]
    fn counters_never_fall_but_when_the_pod_restarts() {
        let (mut before, mut now) = (Vec::new(), Vec::new());
        let restarting = (0..99).map(|number| Pod::new(1, number)).filter(|pod| pod.restart < 240).count();
        assert!((1..50).contains(&restarting), "{restarting}");
        for number in 0..30 {
            let pod = Pod::new(1, number);
            let series = pod.series();
            for tick in 0..300 {
                now.clear();
                pod.values(tick, 1_700_000_000, &mut now);
                assert_eq!(now.len(), SERIES_PER_POD);
                if tick > 0 && tick != pod.restart {
                    for ((one, before), now) in series.iter().zip(&before).zip(&now) {
                        assert!(one.kind == Kind::Gauge || now >= before, "{one:?} at {tick}: {before} {now}");
                    }
                }
                std::mem::swap(&mut before, &mut now);
            }
        }
    }

    #[test]
    fn buckets_are_cumulative() {
        let pod = Pod::new(1, 7);
        let mut values = Vec::new();
        pod.values(100, 1_700_000_000, &mut values);
        let mut last: HashMap<Vec<_>, f64> = HashMap::new();
        for (one, value) in pod.series().into_iter().zip(values) {
            if one.kind == Kind::Histogram && !one.labels[0].1.ends_with("_sum") {
                let others = one.labels.into_iter().filter(|(name, _)| !["__name__", "le"].contains(name)).collect();
                let below = last.insert(others, value).unwrap_or_default();
                assert!(value >= below);
            }
        }
        assert_eq!(last.len(), 8);
    }
}
