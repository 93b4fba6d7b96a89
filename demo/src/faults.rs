//! What goes wrong on demand: as the flags say from the start, and as somebody asks for at `/demo/faults` of the gateway.

use std::time::{Duration, Instant};

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::options::MAX_RATE;
use crate::services::ServiceName;
use crate::share::Share;

/// Longer delays would outlast every timeout of the bookstore.
const MAX_DELAY_MS: u64 = 30_000;
const MAX_FACTOR: f64 = 50.0;
const MAX_BURST_SECONDS: u64 = 3600;

/// All faults at one time, and the document at `/demo/faults`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// The share of the load's requests that fail.
    pub errors: Share,
    /// The share of the load's requests that run into something slow.
    pub slow: Share,
    pub slow_service: Option<SlowService>,
    /// Services that do not pass `traceparent` on.
    pub drop_traceparent: Vec<ServiceName>,
    /// More load than usual for a while; gone once it is over.
    pub burst: Option<Burst>,
    /// The load stands still; what others send is served.
    pub paused: bool,
}

/// A service that answers late, to the load and to everybody else.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowService {
    pub service: ServiceName,
    pub delay_ms: u64,
    #[serde(default = "everybody")]
    pub share: Share,
}

fn everybody() -> Share {
    Share::ALL
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// How many times the usual rate.
    pub factor: f64,
    pub seconds: u64,
}

impl SlowService {
    pub fn check(&self) -> Result<(), String> {
        match self.delay_ms {
            0..=MAX_DELAY_MS => Ok(()),
            delay => Err(format!("a delay of {delay} ms is too long: {MAX_DELAY_MS} ms at most")),
        }
    }
}

impl Burst {
    pub fn check(&self) -> Result<(), String> {
        if !(1.0..=MAX_FACTOR).contains(&self.factor) {
            return Err(format!("a burst's factor must be 1 to {MAX_FACTOR}"));
        }
        if !(1..=MAX_BURST_SECONDS).contains(&self.seconds) {
            return Err(format!("a burst must last 1 to {MAX_BURST_SECONDS} seconds"));
        }
        Ok(())
    }
}

/// The faults in force.
#[derive(Debug)]
pub struct Faults {
    rate: f64,
    /// As the flags said.
    start: FaultPlan,
    now: RwLock<InForce>,
}

#[derive(Debug)]
struct InForce {
    plan: FaultPlan,
    since: Instant,
}

impl Faults {
    /// `rate`: the usual requests a second. The error says which limit the plan breaks.
    pub fn new(rate: f64, start: FaultPlan) -> Result<Self, String> {
        check(&start, rate)?;
        let now = RwLock::new(InForce { plan: start.clone(), since: Instant::now() });
        Ok(Self { rate, start: FaultPlan { burst: None, ..start }, now })
    }

    pub fn plan(&self) -> FaultPlan {
        let now = self.now.read();
        let burst = now.plan.burst.filter(|burst| now.since.elapsed() < Duration::from_secs(burst.seconds));
        FaultPlan { burst, ..now.plan.clone() }
    }

    /// Replaces the plan by a JSON object; what it does not name is as the flags said. The error is for whoever wrote it.
    pub fn replace(&self, document: &[u8]) -> Result<FaultPlan, String> {
        let document: Value = serde_json::from_slice(document).map_err(|error| format!("no JSON: {error}"))?;
        let Value::Object(members) = document else {
            return Err("the faults must be a JSON object, such as {\"paused\": true}".to_owned());
        };
        let Ok(Value::Object(mut merged)) = serde_json::to_value(&self.start) else {
            return Err("the faults of the start cannot be written".to_owned());
        };
        merged.extend(members);
        let plan: FaultPlan = serde_json::from_value(Value::Object(merged)).map_err(|error| error.to_string())?;
        check(&plan, self.rate)?;
        *self.now.write() = InForce { plan, since: Instant::now() };
        Ok(self.plan())
    }

    /// Requests a second that the load should make now; `None` while it is paused.
    pub fn load_rate(&self) -> Option<f64> {
        let plan = self.plan();
        let rate = self.rate * plan.burst.map_or(1.0, |burst| burst.factor);
        (!plan.paused && rate > 0.0).then_some(rate)
    }

    /// How much longer a service takes this time.
    pub fn delay(&self, service: ServiceName) -> Option<Duration> {
        let slow = self.now.read().plan.slow_service.filter(|slow| slow.service == service)?;
        slow.share.hits().then(|| Duration::from_millis(slow.delay_ms))
    }

    pub fn drops_traceparent(&self, service: ServiceName) -> bool {
        self.now.read().plan.drop_traceparent.contains(&service)
    }
}

fn check(plan: &FaultPlan, rate: f64) -> Result<(), String> {
    if let Some(slow) = &plan.slow_service {
        slow.check()?;
    }
    let Some(burst) = &plan.burst else { return Ok(()) };
    burst.check()?;
    match rate * burst.factor <= MAX_RATE {
        true => Ok(()),
        false => Err(format!("a burst of {} times {rate} a second is more than {MAX_RATE} a second", burst.factor)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults() -> Faults {
        Faults::new(20.0, FaultPlan { errors: "1%".parse().unwrap(), ..FaultPlan::default() }).unwrap()
    }

    #[test]
    fn a_document_replaces_the_one_before() {
        let faults = faults();
        let text = br#"{"slow_service": {"service": "stripe", "delay_ms": 500}, "drop_traceparent": ["storefront"]}"#;
        let plan = faults.replace(text).unwrap();
        assert_eq!(plan.errors, "1%".parse().unwrap(), "what is not named is as at the start");
        assert_eq!(faults.delay(ServiceName::Stripe), Some(Duration::from_millis(500)));
        assert_eq!(faults.delay(ServiceName::Orders), None);
        assert!(faults.drops_traceparent(ServiceName::Storefront));
        faults.replace(b"{}").unwrap();
        assert_eq!(faults.delay(ServiceName::Stripe), None);
        assert!(!faults.drops_traceparent(ServiceName::Storefront));
    }

    #[test]
    fn null_switches_off_what_the_flags_switched_on() {
        let slow = SlowService { service: ServiceName::Stripe, delay_ms: 1, share: Share::ALL };
        let faults = Faults::new(1.0, FaultPlan { slow_service: Some(slow), ..FaultPlan::default() }).unwrap();
        assert_eq!(faults.replace(b"{}").unwrap().slow_service, Some(slow));
        assert_eq!(faults.replace(br#"{"slow_service": null}"#).unwrap().slow_service, None);
    }

    #[test]
    fn bursts_and_pauses_change_the_rate() {
        let faults = faults();
        assert_eq!(faults.load_rate(), Some(20.0));
        faults.replace(br#"{"burst": {"factor": 3, "seconds": 60}}"#).unwrap();
        assert_eq!(faults.load_rate(), Some(60.0));
        faults.now.write().since -= Duration::from_secs(61);
        assert_eq!(faults.load_rate(), Some(20.0));
        assert_eq!(faults.plan().burst, None, "a burst that is over is gone");
        faults.replace(br#"{"paused": true}"#).unwrap();
        assert_eq!(faults.load_rate(), None);
    }

    #[test]
    fn wrong_documents_change_nothing() {
        let faults = faults();
        for (text, hint) in [
            (r#"{"pause": true}"#, "unknown field `pause`"),
            (r#"{"errors": 2}"#, "between 0 and 1"),
            (r#"{"errors": "1%"}"#, "invalid type"),
            (r#"{"slow_service": {"service": "bank", "delay_ms": 1}}"#, "unknown variant `bank`"),
            (r#"{"slow_service": {"service": "stripe", "delay_ms": 30001}}"#, "30000 ms at most"),
            (r#"{"burst": {"factor": 51, "seconds": 1}}"#, "1 to 50"),
            (r#"{"burst": {"factor": 2, "seconds": 0}}"#, "1 to 3600"),
            ("[]", "JSON object"),
            ("{", "no JSON"),
        ] {
            let error = faults.replace(text.as_bytes()).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
        assert_eq!(faults.plan(), faults.start);
        let many = Faults::new(900.0, FaultPlan::default()).unwrap();
        assert!(many.replace(br#"{"burst": {"factor": 2, "seconds": 5}}"#).unwrap_err().contains("more than 1000"));
    }
}
