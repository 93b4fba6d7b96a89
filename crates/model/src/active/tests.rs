use super::*;

const NOW: i64 = 1_700_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;
const DAY: i32 = (NOW / NANOS_PER_DAY) as i32;

fn series(limits: SeriesLimits) -> (ActiveSeries, Arc<TenantSeries>) {
    let active = ActiveSeries::new(100, LimitsByTenant { everybody: limits, tenants: Default::default() });
    let series = active.of(&Tenant::default());
    (active, series)
}

fn limits() -> SeriesLimits {
    SeriesLimits { out_of_order_time_window: 60 * SECOND, creation_grace_period: 600 * SECOND, ..SeriesLimits::NONE }
}

/// Judges one sample in a flight of its own, which lands.
fn judge(series: &Arc<TenantSeries>, series_id: u64, time: i64, value: u64) -> Verdict {
    let mut flight = Flight::begin(series.clone(), NOW);
    let verdict = flight.judge(series_id, (time, value));
    flight.land();
    verdict
}

#[test]
fn samples_are_judged_by_the_newest_of_their_series() {
    let (_active, series) = series(limits());
    let judge = |time: i64, value| judge(&series, 7, NOW + time * SECOND, value);
    assert_eq!(judge(0, 1), Verdict::Accepted);
    assert_eq!(judge(0, 1), Verdict::Duplicate);
    assert_eq!(judge(0, 2), Verdict::Refused(Reason::NewValue));
    assert_eq!(judge(-60, 3), Verdict::Accepted);
    assert_eq!(judge(-61, 3), Verdict::Refused(Reason::TooOld));
    assert_eq!(judge(600, 4), Verdict::Accepted);
    assert_eq!(judge(601, 5), Verdict::Refused(Reason::TooFarInFuture));
    assert_eq!(judge(539, 5), Verdict::Refused(Reason::TooOld), "the newest counts");
    let discarded: Vec<_> = series.discarded().filter(|(_, count)| *count > 0).collect();
    assert_eq!(discarded, [(Reason::NewValue, 1), (Reason::TooOld, 2), (Reason::TooFarInFuture, 1)]);
}

#[test]
fn without_a_window_older_samples_are_out_of_order() {
    let (_active, series) = series(SeriesLimits { out_of_order_time_window: 0, ..limits() });
    assert_eq!(judge(&series, 7, NOW, 1), Verdict::Accepted);
    assert_eq!(judge(&series, 7, NOW - 1, 1), Verdict::Refused(Reason::OutOfOrder));
    assert_eq!(judge(&series, 8, NOW - 1, 1), Verdict::Accepted, "of another series");
}

#[test]
fn what_has_not_landed_is_stored_again() {
    let (_active, series) = series(limits());
    let mut first = Flight::begin(series.clone(), NOW);
    assert_eq!(first.judge(7, (NOW, 1)), Verdict::Accepted);
    assert_eq!(first.judge(7, (NOW, 1)), Verdict::Duplicate, "twice in one request");
    let mut second = Flight::begin(series.clone(), NOW);
    assert_eq!(second.judge(7, (NOW, 1)), Verdict::Accepted, "the first may get lost yet");
    drop(first);
    second.land();
    // The first was lost, and with it the order of the series.
    assert_eq!(judge(&series, 7, NOW, 1), Verdict::Accepted);
    assert_eq!(judge(&series, 7, NOW, 1), Verdict::Duplicate);
}

#[test]
fn flights_may_land_in_any_order() {
    let (_active, series) = series(limits());
    let mut early = Flight::begin(series.clone(), NOW);
    let mut late = Flight::begin(series.clone(), NOW);
    assert_eq!(late.judge(7, (NOW, 1)), Verdict::Accepted);
    late.land();
    assert_eq!(judge(&series, 7, NOW, 1), Verdict::Accepted, "an earlier flight is still open");
    assert_eq!(early.judge(8, (NOW, 1)), Verdict::Accepted);
    early.land();
    assert_eq!(judge(&series, 7, NOW, 1), Verdict::Duplicate);
}

#[test]
fn known_series_are_judged_where_their_row_is_safe() {
    let (_active, series) = series(limits());
    let mut flight = Flight::begin(series.clone(), NOW);
    let mut verdicts = Vec::new();
    assert!(!flight.judge_known(7, &[(NOW, 1)], &mut verdicts), "unknown");
    flight.judge(7, (NOW, 1));
    assert!(!flight.judge_known(7, &[(NOW + 1, 1)], &mut verdicts), "its row may be missing");
    series.know_row(7, DAY);
    assert!(flight.judge_known(7, &[(NOW + 1, 1), (NOW + 1, 2)], &mut verdicts));
    assert!(!flight.judge_known(7, &[(NOW + NANOS_PER_DAY, 1)], &mut verdicts), "of another day");
    assert_eq!(verdicts, [Verdict::Accepted, Verdict::Refused(Reason::NewValue)]);
}

#[test]
fn a_tenant_has_so_many_series_and_old_ones_make_room() {
    let (active, series) = series(SeriesLimits { max_active_series: 2, ..limits() });
    assert_eq!(series.touch(1, DAY, NOW), Touched::RowNeeded);
    assert_eq!(judge(&series, 2, NOW, 1), Verdict::Accepted);
    assert_eq!(series.touch(3, DAY, NOW), Touched::OverLimit);
    assert_eq!(judge(&series, 3, NOW, 1), Verdict::Refused(Reason::SeriesLimit));
    series.know_row(1, DAY);
    assert_eq!((series.touch(1, DAY, NOW), series.touch(1, DAY + 1, NOW)), (Touched::Known, Touched::RowNeeded));
    let later = NOW + 100 * 60 * SECOND;
    series.touch(1, DAY, later);
    active.forget_idle(later);
    assert_eq!(series.count(), 2, "an hour and a half is not long");
    active.forget_idle(NOW + 150 * 60 * SECOND);
    assert_eq!(series.count(), 1);
    assert_eq!(series.touch(3, DAY, later), Touched::RowNeeded);
    drop(series);
    active.forget_idle(later + NANOS_PER_DAY / 4);
    assert!(active.tenants().is_empty());
}

#[test]
fn replay_asks_nobody() {
    let (_active, series) = series(SeriesLimits { max_active_series: 1, ..limits() });
    series.restore(1, Some((NOW, 1)), NOW);
    series.restore(2, None, NOW);
    assert_eq!(series.count(), 2);
    assert_eq!(judge(&series, 1, NOW, 1), Verdict::Duplicate);
    assert_eq!(judge(&series, 1, NOW, 2), Verdict::Refused(Reason::NewValue));
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let (active, series) = series(limits());
    for id in 0..300 {
        assert_eq!(judge(&series, id, NOW, 1), Verdict::Accepted, "without room nothing is checked, and nothing lost");
    }
    assert_eq!(series.count(), 100);
    let other = active.of(&Tenant::new("other").unwrap());
    assert_eq!(other.touch(1, DAY, NOW), Touched::RowNeeded);
    assert_eq!(other.count(), 0);
    for round in 0..10u64 {
        let labels: Vec<_> =
            (0..1u64 << 15).map(|n| (u128::from(round << 32 | n), Labelled::new(n % 100, (0, 0)))).collect();
        series.learn(&labels);
    }
    assert!(series.labels.read().len() <= 200 + (1 << 16));
    assert!(active.bytes() < 16 << 20, "{}", active.bytes());
}

/// Whatever order labels are asked for in, and after series between them have gone.
#[test]
fn labels_are_found_in_any_order() {
    let (active, series) = series(limits());
    let labels: Vec<_> = (0..90u64).map(|id| (u128::from(id) << 64, Labelled::new(id, (1, id as u32)))).collect();
    for (_, known) in &labels {
        judge(&series, known.series_id, NOW, 1);
        series.know_row(known.series_id, DAY);
    }
    series.learn(&labels);
    let check = |ids: &mut dyn Iterator<Item = u64>, time: i64| {
        let mut flight = Flight::begin(series.clone(), time);
        let mut known = series.labelled();
        for id in ids {
            let found = known.get(u128::from(id) << 64).unwrap();
            assert_eq!((found.series_id, found.name), (id, (1, id as u32)));
            assert!(flight.judge_labelled(found, &[(time, id)], &mut Vec::new()));
        }
        assert_eq!(known.get(7), None);
        drop(known);
        flight.land();
    };
    check(&mut (0..90), NOW + SECOND);
    check(&mut (0..90).rev(), NOW + 2 * SECOND);
    check(&mut (0..90).map(|id| id * 7 % 90), NOW + 3 * SECOND);
    let later = NOW + 100 * 60 * SECOND;
    check(&mut (0..90).filter(|id| id % 3 > 0), later);
    active.forget_idle(NOW + 150 * 60 * SECOND);
    assert_eq!((series.count(), series.labelled().get(0)), (60, None));
    check(&mut (0..90).filter(|id| id % 3 > 0), later + SECOND);
    let places = series.labels.read();
    assert!(places.values().all(|known| {
        let shard = series.shard(known.series_id).lock();
        shard.get_index_of(&known.series_id) == Some(known.place as usize)
    }));
}

#[test]
fn an_entry_is_small() {
    assert_eq!(size_of::<(u64, u64, Entry)>(), 40);
    assert_eq!(size_of::<(u64, u128, Labelled)>(), 48);
}

#[test]
fn many_threads_agree_on_the_number_of_series() {
    let (_active, series) = series(limits());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for id in 0..80 {
                    judge(&series, id, NOW, 1);
                }
            });
        }
    });
    assert_eq!(series.count(), 80);
}
