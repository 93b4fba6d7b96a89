use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Notify;
use trefoil_model::Tenancy;

use super::*;
use crate::component::Downstream;
use crate::metrics::Metrics;
use crate::receivers::log_records::retry::RetryOnFailure;
use crate::receivers::log_records::values::{now, string};
use crate::telemetry::{Consumer, Message};

/// Keeps requests, and answers the first of them as told.
#[derive(Default)]
struct Pipeline {
    requests: Mutex<Vec<ExportLogsServiceRequest>>,
    refusals: Mutex<Vec<Refused>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    arrived: Notify,
    gate: Option<Semaphore>,
}

#[async_trait]
impl Consumer for Pipeline {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        let Ok(Message::Logs(request)) = telemetry.payload.into_message() else { panic!("only logs") };
        let under_way = self.under_way.fetch_add(1, Ordering::AcqRel) + 1;
        self.most_under_way.fetch_max(under_way, Ordering::AcqRel);
        self.requests.lock().push(request);
        self.arrived.notify_waiters();
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        match self.refusals.lock().pop() {
            Some(refused) => Err(refused),
            None => Ok(Accepted::all()),
        }
    }
}

impl Pipeline {
    fn sizes(&self) -> Vec<usize> {
        self.requests.lock().iter().map(|request| request.resource_logs[0].scope_logs[0].log_records.len()).collect()
    }

    async fn wait_for(&self, requests: usize) {
        let arrived = async {
            loop {
                let mut arrived = std::pin::pin!(self.arrived.notified());
                arrived.as_mut().enable();
                if self.requests.lock().len() >= requests {
                    return;
                }
                arrived.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(600), arrived).await.unwrap();
    }
}

fn delivery(pipeline: &Arc<Pipeline>, retry: &RetryOnFailure) -> Delivery {
    let downstream = Downstream::new([(Signal::Logs, pipeline.clone() as Arc<dyn Consumer>)]);
    Delivery {
        intake: Intake::new(downstream, Tenancy::Single, 1 << 20),
        tenant: Tenant::default(),
        resource: Resource::default(),
        retry: retry.config(),
        metrics: Metrics::default().receiver("r").over("tcp"),
    }
}

async fn entry<M>(room: &Room, bytes: usize, mark: M) -> Entry<M> {
    let record = LogRecord { observed_time_unix_nano: now(), body: Some(string("x")), ..LogRecord::default() };
    Entry { record, origin: None, place: room.take(bytes).await, mark }
}

/// Hands all in and gives the marks that were settled.
async fn through(pipeline: &Arc<Pipeline>, retry: &RetryOnFailure, records: usize, bytes: usize) -> Vec<usize> {
    let marks = Arc::new(Mutex::new(Vec::new()));
    let settled = {
        let marks = marks.clone();
        move |mark| marks.lock().push(mark)
    };
    let (outlet, run) = Outlet::open(delivery(pipeline, retry), settled);
    let room = Room::new(1 << 30);
    let hand_in = async move {
        for mark in 0..records {
            outlet.hand_in(entry(&room, bytes, mark).await).await;
        }
    };
    tokio::join!(run, hand_in);
    let marks = marks.lock();
    marks.clone()
}

#[tokio::test(start_paused = true)]
async fn records_are_gathered_by_number_size_and_time() {
    let pipeline = Arc::new(Pipeline::default());
    assert_eq!(through(&pipeline, &RetryOnFailure::default(), 2500, 1).await, [999, 1999, 2499]);
    assert_eq!(pipeline.sizes(), [1000, 1000, 500]);

    let pipeline = Arc::new(Pipeline::default());
    through(&pipeline, &RetryOnFailure::default(), 5, 3 << 20).await;
    assert_eq!(pipeline.sizes(), [2, 2, 1]);

    // Whoever is alone waits a little, and not for ever.
    let pipeline = Arc::new(Pipeline::default());
    let (outlet, run) = Outlet::open(delivery(&pipeline, &RetryOnFailure::default()), |()| ());
    let task = tokio::spawn(run);
    let room = Room::new(1000);
    let before = Instant::now();
    outlet.hand_in(entry(&room, 1, ()).await).await;
    pipeline.wait_for(1).await;
    assert!((WAIT..2 * WAIT).contains(&before.elapsed()));
    drop(outlet);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn some_requests_are_under_way_at_once_and_no_more() {
    let pipeline = Arc::new(Pipeline { gate: Some(Semaphore::new(0)), ..Pipeline::default() });
    let (outlet, run) = Outlet::open(delivery(&pipeline, &RetryOnFailure::default()), |()| ());
    let running = tokio::spawn(run);
    let room = Room::new(1 << 30);
    let handed_in = Arc::new(AtomicUsize::new(0));
    let counted = handed_in.clone();
    let hand_in = tokio::spawn(async move {
        for _ in 0..20 * MOST_RECORDS {
            outlet.hand_in(entry(&room, 1, ()).await).await;
            counted.fetch_add(1, Ordering::AcqRel);
        }
    });
    pipeline.wait_for(AT_ONCE).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(pipeline.sizes().len(), AT_ONCE);
    // What is with the pipelines, what waits in the queue, and nothing else.
    assert!(handed_in.load(Ordering::Acquire) <= (AT_ONCE + 1) * MOST_RECORDS + QUEUE);
    pipeline.gate.as_ref().unwrap().add_permits(1000);
    hand_in.await.unwrap();
    running.await.unwrap();
    assert_eq!(pipeline.sizes().iter().sum::<usize>(), 20 * MOST_RECORDS);
    assert_eq!(pipeline.most_under_way.load(Ordering::Acquire), AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_sent_again_where_that_is_wanted() {
    let refusing = || Pipeline { refusals: vec![Refused::unavailable("down"); 2].into(), ..Pipeline::default() };
    let pipeline = Arc::new(refusing());
    let retry = RetryOnFailure { enabled: true, ..RetryOnFailure::default() };
    assert_eq!(through(&pipeline, &retry, 10, 1).await, [9]);
    assert_eq!(pipeline.sizes(), [10, 10, 10]);

    let pipeline = Arc::new(refusing());
    assert_eq!(through(&pipeline, &RetryOnFailure::default(), 10, 1).await, [9]);
    assert_eq!(pipeline.sizes(), [10]);

    // What will never be taken is given up at once.
    let pipeline = Arc::new(Pipeline { refusals: vec![Refused::Invalid("bad".into())].into(), ..Pipeline::default() });
    assert_eq!(through(&pipeline, &retry, 10, 1).await, [9]);
    assert_eq!(pipeline.sizes(), [10]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_shuts_down_waits_for_no_retry() {
    let pipeline =
        Arc::new(Pipeline { refusals: vec![Refused::unavailable("down"); 1000].into(), ..Pipeline::default() });
    let retry = RetryOnFailure { enabled: true, max_elapsed_time: Duration::ZERO, ..RetryOnFailure::default() };
    let delivery = delivery(&pipeline, &retry);
    let intake = delivery.intake.clone();
    let (outlet, run) = Outlet::open(delivery, |()| ());
    let running = tokio::spawn(run);
    outlet.hand_in(entry(&Room::new(1000), 1, ()).await).await;
    pipeline.wait_for(3).await;
    drop(outlet);
    intake.refuse_all();
    tokio::time::timeout(Duration::from_millis(1), running).await.unwrap().unwrap();
}

#[tokio::test]
async fn room_is_given_back() {
    let room = Room::new(100);
    let held = room.take(60).await;
    assert!(room.try_take(41).is_none());
    assert!(room.try_take(40).is_some());
    drop(held);
    // What is larger than all of it takes all of it.
    let all = room.try_take(1000).unwrap();
    assert!(room.try_take(1).is_none());
    drop(all);
    assert!(room.try_take(100).is_some());
}

#[tokio::test(start_paused = true)]
async fn records_lie_with_those_of_their_origin() {
    let pipeline = Arc::new(Pipeline::default());
    let (outlet, run) = Outlet::open(delivery(&pipeline, &RetryOnFailure::default()), |()| ());
    let room = Room::new(1 << 20);
    let hand_in = async move {
        for (name, scope) in [("a", ""), ("", ""), ("b", ""), ("a", "s"), ("a", ""), ("", "")] {
            let mut entry = entry(&room, 1, ()).await;
            if !name.is_empty() {
                let resource = Value::Map([("name".to_owned(), Value::from(name))].into_iter().collect());
                entry.origin = Some(Box::new(Origin::new(resource, scope.to_owned())));
            }
            outlet.hand_in(entry).await;
        }
    };
    tokio::join!(run, hand_in);
    let requests = pipeline.requests.lock();
    let told = requests[0].resource_logs.iter().map(|group| {
        let attributes = &group.resource.as_ref().unwrap().attributes;
        let scope = group.scope_logs[0].scope.as_ref().map(|scope| scope.name.clone()).unwrap_or_default();
        (attributes.len(), scope, group.scope_logs[0].log_records.len())
    });
    let told: Vec<(usize, String, usize)> = told.collect();
    let of = |attributes, scope: &str, records| (attributes, scope.to_owned(), records);
    assert_eq!(told, [of(1, "", 2), of(0, "", 2), of(1, "", 1), of(1, "s", 1)]);
}
