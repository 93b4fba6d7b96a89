//! The customers: requests at a rate that does not depend on how fast the answers come, some of them checkouts.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::database::BOOKS;
use crate::latency;
use crate::scenario::{self, Scenario};
use crate::services::FORCED_500;
use crate::shop::Shop;
use crate::tenants;

/// Requests under way at once; when the bookstore is slower than that, customers are turned away and counted.
const SIDE_BY_SIDE: usize = 1024;
/// How far behind its schedule the load may fall before it forgets what it missed.
const CATCH_UP: Duration = Duration::from_millis(500);
/// How often the load looks what its rate is now, and a paused one whether it may go on.
const LOOK: Duration = Duration::from_millis(100);
/// Orders of each tenant that customers ask about.
const REMEMBERED: usize = 32;
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long requests under way may take at the end.
const DRAIN: Duration = Duration::from_secs(8);

const GENRES: [&str; 7] = ["fiction", "crime", "computing", "history", "nature", "cooking", "poetry"];

/// How the load goes; shared with the progress line.
#[derive(Debug, Default)]
pub struct Tally {
    pub requests: AtomicU64,
    pub checkouts: AtomicU64,
    /// Answered with 5xx, or not at all.
    pub errors: AtomicU64,
    pub turned_away: AtomicU64,
}

pub struct Load {
    shop: Arc<Shop>,
    client: reqwest::Client,
    gateway: String,
    tally: Arc<Tally>,
    /// The last orders of each tenant.
    orders: Vec<Mutex<VecDeque<String>>>,
}

/// What a customer wants, and what is to happen to it.
#[derive(Debug, Clone, PartialEq)]
struct Wish {
    kind: Kind,
    scenario: Option<Scenario>,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Checkout { isbns: Vec<&'static str>, payment_method: &'static str },
    List { genre: &'static str },
    Item { isbn: &'static str },
    OrderStatus,
}

impl Load {
    pub fn new(shop: Arc<Shop>, gateway: SocketAddr, tally: Arc<Tally>) -> reqwest::Result<Self> {
        let agent = "Mozilla/5.0 (compatible; bookstore-customers)";
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).user_agent(agent).build()?;
        let orders = shop.tenants.iter().map(|_| Mutex::default()).collect();
        Ok(Self { shop, client, gateway: format!("http://{gateway}"), tally, orders })
    }

    /// Makes requests until `stop`, and then waits for those under way.
    pub async fn run(self, stop: CancellationToken) {
        let load = Arc::new(self);
        let permits = Arc::new(Semaphore::new(SIDE_BY_SIDE));
        let customers = TaskTracker::new();
        let mut due = Instant::now();
        loop {
            let Some(rate) = load.shop.faults.load_rate() else {
                if stop.run_until_cancelled(sleep(LOOK)).await.is_none() {
                    break;
                }
                due = Instant::now();
                continue;
            };
            let gap = latency::next_within(LOOK, rate);
            due = (due + gap.unwrap_or(LOOK)).max(Instant::now() - CATCH_UP);
            if stop.run_until_cancelled(sleep_until(due)).await.is_none() {
                break;
            }
            if gap.is_none() {
                continue;
            }
            match permits.clone().try_acquire_owned() {
                Ok(permit) => {
                    let load = load.clone();
                    customers.spawn(async move {
                        load.one().await;
                        drop(permit);
                    });
                }
                Err(_) => {
                    load.tally.turned_away.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        customers.close();
        let _ = timeout(DRAIN, customers.wait()).await;
    }

    /// One request of one customer.
    async fn one(&self) {
        let tenant = self.shop.tenants[fastrand::usize(..self.shop.tenants.len())];
        let plan = self.shop.faults.plan();
        let wish = match (plan.errors.hits(), plan.slow.hits()) {
            (true, _) => failing(),
            (false, true) => slow(),
            (false, false) => ordinary(),
        };
        let Some(request) = self.request(&wish.kind, tenant.index) else { return };
        let mut baggage = format!("{}={}", tenants::BAGGAGE_KEY, tenant.name);
        if let Some(scenario) = wish.scenario {
            baggage.push_str(&format!(",{}={}", scenario::BAGGAGE_KEY, scenario.as_str()));
        }
        let answer = request.header("baggage", baggage).send().await;
        self.tally.requests.fetch_add(1, Ordering::Relaxed);
        let is_checkout = matches!(wish.kind, Kind::Checkout { .. });
        if is_checkout {
            self.tally.checkouts.fetch_add(1, Ordering::Relaxed);
        }
        match answer {
            Ok(answer) if !answer.status().is_server_error() => {
                let placed = is_checkout && answer.status() == StatusCode::OK;
                let body = answer.bytes().await.unwrap_or_default();
                if placed {
                    self.remember(tenant.index, &body);
                }
            }
            _ => {
                self.tally.errors.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn request(&self, kind: &Kind, tenant: usize) -> Option<RequestBuilder> {
        let url = |path: String| format!("{}/api/v2/{path}", self.gateway);
        Some(match kind {
            Kind::Checkout { isbns, payment_method } => {
                let items: Vec<Value> =
                    isbns.iter().map(|isbn| json!({"isbn": isbn, "qty": fastrand::u8(1..4)})).collect();
                let cart = json!({"items": items, "payment_method": payment_method});
                self.client.post(url("checkout".into())).body(cart.to_string())
            }
            Kind::List { genre } => self.client.get(url(format!("catalog/items?genre={genre}"))),
            Kind::Item { isbn } => self.client.get(url(format!("catalog/items/{isbn}"))),
            Kind::OrderStatus => match self.some_order(tenant) {
                Some(id) => self.client.get(url(format!("orders/{id}"))),
                None => self.client.get(url("catalog/items?genre=fiction".into())),
            },
        })
    }

    fn remember(&self, tenant: usize, body: &[u8]) {
        let placed: Value = serde_json::from_slice(body).unwrap_or_default();
        let (Some(id), Some(orders)) = (placed["order_id"].as_str(), self.orders.get(tenant)) else { return };
        let mut orders = orders.lock();
        if orders.len() == REMEMBERED {
            orders.pop_front();
        }
        orders.push_back(id.to_owned());
    }

    fn some_order(&self, tenant: usize) -> Option<String> {
        let orders = self.orders.get(tenant)?.lock();
        let place = fastrand::usize(..orders.len().max(1));
        orders.get(place).cloned()
    }
}

/// A third are checkouts.
fn ordinary() -> Wish {
    let kind = match fastrand::u8(..100) {
        0..33 => checkout(),
        33..58 => Kind::List { genre: GENRES[fastrand::usize(..GENRES.len())] },
        58..85 => Kind::Item { isbn: book() },
        _ => Kind::OrderStatus,
    };
    Wish { kind, scenario: None }
}

fn failing() -> Wish {
    let (kind, scenario) = match fastrand::u8(..5) {
        0 => (Kind::Item { isbn: FORCED_500 }, None),
        1 => (Kind::Checkout { isbns: vec![book(), FORCED_500], payment_method: "pm_card_visa" }, None),
        2 => (Kind::Checkout { isbns: vec![book()], payment_method: "pm_card_chargeDeclined" }, None),
        3 => (checkout(), Some(Scenario::DatabaseTimeout)),
        _ => (
            if fastrand::bool() { checkout() } else { Kind::Item { isbn: book() } },
            Some(Scenario::RecommendationsUnavailable),
        ),
    };
    Wish { kind, scenario }
}

fn slow() -> Wish {
    let (kind, scenario) = match fastrand::u8(..5) {
        0 => (Kind::List { genre: "computing" }, Scenario::SlowCatalogQuery),
        1 => (checkout(), Scenario::LockWait),
        2 => (checkout(), Scenario::SlowConsumer),
        3 => (checkout(), Scenario::SlowCharge),
        _ => (Kind::Item { isbn: book() }, Scenario::SlowModel),
    };
    Wish { kind, scenario: Some(scenario) }
}

fn checkout() -> Kind {
    let mut isbns: Vec<&str> = (0..fastrand::usize(1..4)).map(|_| book()).collect();
    isbns.sort_unstable();
    isbns.dedup();
    let payment_method = ["pm_card_visa", "pm_card_mastercard", "pm_card_amex"][fastrand::usize(..3)];
    Kind::Checkout { isbns, payment_method }
}

/// Some books sell better than others.
fn book() -> &'static str {
    let place = fastrand::usize(..BOOKS.len()).min(fastrand::usize(..BOOKS.len()));
    BOOKS[place].0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_and_slowness_are_of_all_kinds() {
        let many = |wish: fn() -> Wish| (0..500).map(|_| wish()).collect::<Vec<_>>();
        let failing = many(failing);
        for scenario in [None, Some(Scenario::DatabaseTimeout), Some(Scenario::RecommendationsUnavailable)] {
            assert!(failing.iter().any(|wish| wish.scenario == scenario), "{scenario:?}");
        }
        let ordinary_books = |wish: &Wish| match &wish.kind {
            Kind::Item { isbn } => *isbn != FORCED_500,
            Kind::Checkout { isbns, payment_method } => {
                !isbns.contains(&FORCED_500) && *payment_method != "pm_card_chargeDeclined"
            }
            _ => true,
        };
        assert!(failing.iter().all(|wish| wish.scenario.is_some() || !ordinary_books(wish)));
        assert!(many(slow).iter().all(|wish| wish.scenario.is_some() && ordinary_books(wish)));
        let ordinary = many(ordinary);
        assert!(ordinary.iter().all(|wish| wish.scenario.is_none() && ordinary_books(wish)));
        let checkouts = ordinary.iter().filter(|wish| matches!(wish.kind, Kind::Checkout { .. })).count();
        assert!((100..240).contains(&checkouts), "{checkouts} of 500");
    }
}
