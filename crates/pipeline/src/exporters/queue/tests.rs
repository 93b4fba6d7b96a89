use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;
use trefoil_model::{Signal, Tenant};

use super::*;
use crate::metrics::Metrics;

/// Delivers only while it has permits, or fails while `down`.
struct Gate {
    permits: Semaphore,
    down: AtomicBool,
    delivered: Mutex<Vec<Bytes>>,
    changed: Notify,
}

impl Gate {
    fn new(permits: usize) -> Arc<Gate> {
        Arc::new(Gate {
            permits: Semaphore::new(permits),
            down: AtomicBool::new(false),
            delivered: Mutex::default(),
            changed: Notify::new(),
        })
    }

    async fn delivered(&self, count: usize) -> Vec<Bytes> {
        let wait = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                let delivered = self.delivered.lock().clone();
                if delivered.len() >= count {
                    return delivered;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap()
    }
}

#[async_trait]
impl Sender for Gate {
    async fn send(&self, parcel: &Parcel) -> Result<Accepted, Refused> {
        if self.down.load(Ordering::Acquire) {
            return Err(Refused::unavailable("down"));
        }
        self.permits.acquire().await.unwrap().forget();
        self.delivered.lock().push(parcel.body.clone());
        self.changed.notify_waiters();
        Ok(Accepted { rejected: 1, message: None })
    }
}

fn parcel(body: &'static str) -> Parcel {
    Parcel { tenant: Tenant::default(), signal: Signal::Logs, items: 2, body: Bytes::from_static(body.as_bytes()) }
}

fn start(gate: &Arc<Gate>, config: QueueConfig, directory: &std::path::Path) -> Queue {
    start_counted(gate, config, directory, &Metrics::default())
}

fn start_counted(gate: &Arc<Gate>, config: QueueConfig, directory: &std::path::Path, metrics: &Metrics) -> Queue {
    let retry = RetryConfig { initial_interval: Duration::from_millis(5), ..RetryConfig::default() };
    let reports = Reports { exporter: "test".into(), sent: metrics.exporter("test"), queue: metrics.queue("test") };
    Queue::start(reports, config, retry, gate.clone(), directory.to_path_buf()).unwrap()
}

fn small(queue_size: u64, sizer: Sizer) -> QueueConfig {
    QueueConfig { num_consumers: 1, queue_size, sizer, ..QueueConfig::default() }
}

fn on_disk() -> QueueConfig {
    QueueConfig { storage: Some("file_storage".into()), ..small(1000, Sizer::Requests) }
}

#[tokio::test]
async fn what_becomes_of_items_is_counted() {
    let metrics = Metrics::default();
    let gate = Gate::new(0);
    let queue = start_counted(&gate, small(3, Sizer::Requests), "unused".as_ref(), &metrics);
    for body in ["one", "two", "three"] {
        queue.put(parcel(body)).await.unwrap();
    }
    queue.put(parcel("four")).await.unwrap_err();
    let (waiting, sent) = (metrics.queue("test"), metrics.exporter("test"));
    assert_eq!((waiting.size.get(), waiting.enqueue_failed.get(Signal::Logs)), (3, 2));

    // The other side rejects one item of each request.
    gate.permits.add_permits(1);
    gate.delivered(1).await;
    let freed = async {
        while waiting.size.get() > 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), freed).await.unwrap();
    assert_eq!((sent.sent.get(Signal::Logs), sent.failed.get(Signal::Logs)), (1, 1));

    // At the end one is being sent, and the one that waits in memory is lost.
    queue.shutdown(Duration::ZERO).await;
    assert_eq!((sent.sent.get(Signal::Logs), sent.failed.get(Signal::Logs)), (1, 3));
}

#[tokio::test]
async fn a_full_queue_refuses_until_something_is_sent() {
    for (sizer, limit) in [(Sizer::Requests, 2), (Sizer::Items, 4), (Sizer::Bytes, 6)] {
        let gate = Gate::new(0);
        let queue = start(&gate, small(limit, sizer), "unused".as_ref());
        assert_eq!(queue.put(parcel("one")).await, Ok(Accepted::all()));
        assert_eq!(queue.put(parcel("two")).await, Ok(Accepted::all()));
        let refused = queue.put(parcel("wow")).await.unwrap_err();
        assert_eq!(refused, Refused::overloaded("the sending queue is full", FULL_RETRY_AFTER), "{sizer:?}");

        gate.permits.add_permits(2);
        assert_eq!(gate.delivered(2).await, ["one", "two"]);
        gate.permits.add_permits(1);
        while queue.put(parcel("3rd")).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(gate.delivered(3).await.len(), 3);
    }
}

#[tokio::test]
async fn a_request_larger_than_the_queue_is_refused_for_good() {
    let queue = start(&Gate::new(0), small(2, Sizer::Bytes), "unused".as_ref());
    assert!(matches!(queue.put(parcel("one")).await, Err(Refused::Invalid(_))));
}

#[tokio::test]
async fn blocking_waits_for_room() {
    let gate = Gate::new(0);
    let config = QueueConfig { block_on_overflow: true, ..small(1, Sizer::Requests) };
    let queue = start(&gate, config, "unused".as_ref());
    queue.put(parcel("one")).await.unwrap();
    let mut second = Box::pin(queue.put(parcel("two")));
    assert!(futures::poll!(&mut second).is_pending());
    gate.permits.add_permits(1);
    tokio::time::timeout(Duration::from_secs(20), second).await.unwrap().unwrap();
}

#[tokio::test]
async fn waiting_for_the_result_brings_it_back() {
    let config = QueueConfig { wait_for_result: true, ..small(10, Sizer::Requests) };
    let queue = start(&Gate::new(1), config, "unused".as_ref());
    assert_eq!(queue.put(parcel("one")).await, Ok(Accepted { rejected: 1, message: None }));
}

#[tokio::test]
async fn shutdown_sends_what_is_in_memory() {
    let gate = Gate::new(0);
    let queue = start(&gate, small(10, Sizer::Requests), "unused".as_ref());
    for body in ["one", "two", "three"] {
        queue.put(parcel(body)).await.unwrap();
    }
    gate.permits.add_permits(3);
    queue.shutdown(Duration::from_secs(20)).await;
    assert_eq!(*gate.delivered.lock(), ["one", "two", "three"]);
    assert!(matches!(queue.put(parcel("late")).await, Err(Refused::Unavailable { .. })));
}

#[tokio::test]
async fn what_is_on_disk_is_sent_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let gate = Gate::new(0);
    gate.down.store(true, Ordering::Release);
    let queue = start(&gate, on_disk(), directory.path());
    for body in ["one", "two", "three"] {
        queue.put(parcel(body)).await.unwrap();
    }
    queue.shutdown(Duration::from_millis(20)).await;
    assert!(gate.delivered.lock().is_empty());

    let gate = Gate::new(10);
    let queue = start(&gate, on_disk(), directory.path());
    assert_eq!(gate.delivered(3).await, ["one", "two", "three"]);
    queue.shutdown(Duration::from_secs(20)).await;
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_queue_that_was_dropped_without_shutdown_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let stuck = Gate::new(0);
    let crashed = start(&stuck, on_disk(), directory.path());
    crashed.put(parcel("one")).await.unwrap();
    // As after a kill: the first queue never finishes and never cleans up.
    let gate = Gate::new(1);
    let _queue = start(&gate, on_disk(), directory.path());
    assert_eq!(gate.delivered(1).await, ["one"]);
}

#[test]
fn options_that_make_no_sense_are_named() {
    let check = |config: QueueConfig| config.check().map_err(|(option, _)| option);
    assert_eq!(check(QueueConfig::default()), Ok(()));
    assert_eq!(check(on_disk()), Ok(()));
    assert_eq!(check(QueueConfig { num_consumers: 0, ..QueueConfig::default() }), Err("num_consumers"));
    assert_eq!(check(QueueConfig { queue_size: 0, ..QueueConfig::default() }), Err("queue_size"));
    assert_eq!(check(QueueConfig { storage: Some("redis".into()), ..QueueConfig::default() }), Err("storage"));
    assert_eq!(check(QueueConfig { wait_for_result: true, ..on_disk() }), Err("wait_for_result"));
    assert_eq!(check(QueueConfig { enabled: false, num_consumers: 0, ..QueueConfig::default() }), Ok(()));
}

/// Sends one request at a time of each lane, the first letter of the body, and counts those under way.
struct Lanes {
    under_way: Mutex<Vec<u8>>,
    delivered: Mutex<Vec<Bytes>>,
    most: std::sync::atomic::AtomicUsize,
}

#[async_trait]
impl Sender for Lanes {
    async fn send(&self, parcel: &Parcel) -> Result<Accepted, Refused> {
        let lane = parcel.body[0];
        {
            let mut under_way = self.under_way.lock();
            assert!(!under_way.contains(&lane), "two of a lane are under way");
            under_way.push(lane);
            self.most.fetch_max(under_way.len(), Ordering::AcqRel);
        }
        tokio::time::sleep(Duration::from_millis(1 + u64::from(parcel.body[1] % 3))).await;
        self.under_way.lock().retain(|other| *other != lane);
        self.delivered.lock().push(parcel.body.clone());
        Ok(Accepted::all())
    }

    fn lane(&self, parcel: &Parcel) -> Option<u64> {
        Some(parcel.body[0].into())
    }
}

#[tokio::test]
async fn requests_of_a_lane_keep_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let sender = Arc::new(Lanes { under_way: Mutex::default(), delivered: Mutex::default(), most: Default::default() });
    let metrics = Metrics::default();
    let reports = Reports { exporter: "test".into(), sent: metrics.exporter("test"), queue: metrics.queue("test") };
    let config = QueueConfig { num_consumers: 4, ..QueueConfig::default() };
    let queue =
        Queue::start(reports, config, RetryConfig::default(), sender.clone(), directory.path().to_path_buf()).unwrap();
    let bodies: Vec<Bytes> = (0..120u8).map(|index| Bytes::from(vec![b'a' + index % 3, index])).collect();
    for body in &bodies {
        let parcel = Parcel { tenant: Tenant::default(), signal: Signal::Metrics, items: 1, body: body.clone() };
        queue.put(parcel).await.unwrap();
    }
    queue.shutdown(Duration::from_secs(20)).await;
    let delivered = sender.delivered.lock().clone();
    assert_eq!(delivered.len(), bodies.len());
    assert!((2..=3).contains(&sender.most.load(Ordering::Acquire)), "lanes are sent at once");
    for lane in *b"abc" {
        let of_lane: Vec<_> = delivered.iter().filter(|body| body[0] == lane).collect();
        assert!(of_lane.is_sorted(), "{of_lane:?}");
    }
}

/// Requests of two items each wait for four items, and are at most six together.
fn joining(flush_timeout: Duration) -> QueueConfig {
    QueueConfig { batch: Batch { min_items: 4, max_items: 6, max_bytes: 1000, flush_timeout }, ..on_disk() }
}

const LONG: Duration = Duration::from_secs(3600);

/// All requests are in one lane.
struct InOneLane(Arc<Gate>);

#[async_trait]
impl Sender for InOneLane {
    async fn send(&self, parcel: &Parcel) -> Result<Accepted, Refused> {
        assert_eq!(parcel.items as usize, parcel.body.len());
        self.0.send(parcel).await
    }

    fn lane(&self, _parcel: &Parcel) -> Option<u64> {
        Some(0)
    }
}

fn start_joining(gate: &Arc<Gate>, flush_timeout: Duration, directory: &std::path::Path) -> (Queue, Metrics) {
    let metrics = Metrics::default();
    let retry = RetryConfig { initial_interval: Duration::from_millis(5), ..RetryConfig::default() };
    let reports = Reports { exporter: "test".into(), sent: metrics.exporter("test"), queue: metrics.queue("test") };
    let sender = Arc::new(InOneLane(gate.clone()));
    let queue = Queue::start(reports, joining(flush_timeout), retry, sender, directory.to_path_buf()).unwrap();
    (queue, metrics)
}

#[tokio::test]
async fn requests_are_joined_until_they_are_enough() {
    let directory = tempfile::tempdir().unwrap();
    let gate = Gate::new(0);
    let (queue, metrics) = start_joining(&gate, LONG, directory.path());
    for body in ["aa", "bb", "cc", "dd", "ee", "ff"] {
        queue.put(parcel(body)).await.unwrap();
        tokio::task::yield_now().await;
    }
    // The first two are on their way, the others have come meanwhile.
    gate.permits.add_permits(10);
    assert_eq!(gate.delivered(2).await, ["aabb", "ccddee"]);
    // One that does not suffice waits; another tenant's is not joined with it.
    let other = Parcel { tenant: Tenant::new("other").unwrap(), ..parcel("gg") };
    queue.put(other).await.unwrap();
    assert_eq!(gate.delivered(4).await[2..], ["ff", "gg"]);
    let sent = metrics.exporter("test").sent;
    queue.shutdown(Duration::from_secs(20)).await;
    assert_eq!(sent.get(Signal::Logs), 14 - 4, "the gate rejects one item of each");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_request_does_not_wait_for_others_for_longer_than_it_may() {
    let directory = tempfile::tempdir().unwrap();
    let gate = Gate::new(10);
    let (queue, _metrics) = start_joining(&gate, Duration::from_millis(50), directory.path());
    queue.put(parcel("aa")).await.unwrap();
    assert_eq!(gate.delivered(1).await, ["aa"]);
}

#[tokio::test]
async fn what_only_waited_for_others_is_sent_at_the_end_and_the_rest_keeps() {
    let directory = tempfile::tempdir().unwrap();
    let gate = Gate::new(10);
    let (queue, _metrics) = start_joining(&gate, LONG, directory.path());
    queue.put(parcel("aa")).await.unwrap();
    queue.pause(Duration::from_secs(20)).await;
    assert_eq!(*gate.delivered.lock(), ["aa"]);
    // Nothing is lost that comes before the successor is there.
    queue.put(parcel("bb")).await.unwrap();
    queue.shutdown(Duration::ZERO).await;
    queue.put(parcel("cc")).await.unwrap_err();
    assert_eq!(gate.delivered.lock().len(), 1);
    let (_queue, _metrics) = start_joining(&gate, LONG, directory.path());
    assert_eq!(gate.delivered(2).await, ["aa", "bb"], "what was left does not wait again");
}
