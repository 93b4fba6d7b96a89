//! Files, scans, compaction and retention over a real catalog.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use arrow::util::pretty::pretty_format_batches;
use chrono::Utc;
use datafusion::prelude::{col, lit};
use datafusion::scalar::ScalarValue;
use support::{Bench, DAY, batch, rows_of};
use trefoil_model::{Table, Tenant};
use trefoil_storage::catalog::Change;
use trefoil_storage::compaction::{CompactionOptions, Compactor};
use trefoil_storage::retention::{CollectOptions, RetentionConfig, collect, enforce};

fn now() -> i64 {
    Utc::now().timestamp_nanos_opt().unwrap()
}

#[tokio::test]
async fn what_is_written_is_read_from_files_and_buffer_alike() {
    let bench = Bench::local().await;
    for table in Table::ALL {
        let batches: Vec<_> = (0..3).map(|seed| batch(table, &bench.tenant, seed, 700, now())).collect();
        let expected = rows_of(&bench.scan(table, batches.clone()).await);
        bench.write(table, batches.clone()).await;
        assert_eq!(rows_of(&bench.scan(table, vec![]).await), expected, "{}", table.name());
        let more = vec![batch(table, &bench.tenant, 9, 50, now())];
        let both = bench.scan(table, more).await;
        assert_eq!(rows_of(&both).len(), expected.len() + 50);
    }
}

#[tokio::test]
async fn files_are_sorted_and_split_by_day() {
    let bench = Bench::local().await;
    let days: Vec<_> =
        (0..4).map(|day| batch(Table::Spans, &bench.tenant, day, 100, now() - day as i64 * DAY)).collect();
    bench.write(Table::Spans, days).await;
    let snapshot = bench.catalog.snapshot().await.unwrap();
    let files = snapshot.files(Table::Spans, &bench.tenant);
    assert!((4..=5).contains(&files.len()), "{}", files.len());
    for file in files.iter() {
        let (first, last) = file.time_range().unwrap();
        assert_eq!(first.div_euclid(DAY), last.div_euclid(DAY));
    }
}

#[tokio::test]
async fn clocks_gone_mad_make_few_files() {
    let bench = Bench::local().await;
    let times = [0, -1, i64::MAX, i64::MIN].into_iter().chain((1..60).map(|day| day * DAY));
    let batches: Vec<_> =
        times.enumerate().map(|(seed, time)| batch(Table::Logs, &bench.tenant, seed as u64, 3, time)).collect();
    let rows = batches.len() * 3;
    bench.write(Table::Logs, batches).await;
    assert!(bench.catalog.snapshot().await.unwrap().files(Table::Logs, &bench.tenant).len() <= 10);
    assert_eq!(rows_of(&bench.scan(Table::Logs, vec![]).await).len(), rows);
}

#[tokio::test]
async fn filters_find_the_same_rows_in_files_and_buffer() {
    let bench = Bench::local().await;
    let batches: Vec<_> = (0..6).map(|seed| batch(Table::Spans, &bench.tenant, seed, 400, now())).collect();
    let id = support::trace_id(3, 17);
    let filters = [
        col("trace_id").eq(lit(ScalarValue::FixedSizeBinary(16, Some(id.to_vec())))),
        col("trace_id").eq(lit(ScalarValue::FixedSizeBinary(16, Some(vec![0xEE; 16])))),
        col("service_name").eq(lit("service-3")),
        col("service_name").eq(lit("service-3")).and(col("duration_nano").gt(lit(500_i64))),
        datafusion::prelude::ident("span.http.route").is_not_null(),
        datafusion::prelude::ident("span.http.route").eq(lit("/r/2")),
        col("status_message").is_null().and(col("kind").in_list(vec![lit(1), lit(4)], false)),
    ];
    let mut expected = Vec::new();
    for filter in &filters {
        expected.push(rows_of(&bench.query(Table::Spans, batches.clone(), filter.clone()).await));
    }
    assert!(!expected[0].is_empty() && expected[1].is_empty() && !expected[5].is_empty());
    for part in batches.chunks(2) {
        bench.write(Table::Spans, part.to_vec()).await;
    }
    for (filter, expected) in filters.iter().zip(expected) {
        assert_eq!(rows_of(&bench.query(Table::Spans, vec![], filter.clone()).await), expected, "{filter}");
    }
}

#[tokio::test]
async fn one_tenant_does_not_see_another() {
    let bench = Bench::local().await;
    bench.write(Table::Logs, vec![batch(Table::Logs, &bench.tenant, 1, 10, now())]).await;
    let other = Bench { tenant: Tenant::new("other!*'()").unwrap(), ..bench.clone() };
    assert!(rows_of(&other.scan(Table::Logs, vec![]).await).is_empty());
    other.write(Table::Logs, vec![batch(Table::Logs, &other.tenant, 1, 7, now())]).await;
    assert_eq!(rows_of(&other.scan(Table::Logs, vec![]).await).len(), 7);
    assert_eq!(rows_of(&bench.scan(Table::Logs, vec![]).await).len(), 10);
}

fn compactor(bench: &Bench) -> Compactor {
    Compactor::new(bench.catalog.clone(), bench.files.clone(), bench.reader.clone(), CompactionOptions::default())
}

#[tokio::test]
async fn compaction_keeps_every_row() {
    for bench in [Bench::local().await, Bench::in_memory().await] {
        for table in Table::ALL {
            for seed in 0..9 {
                bench.write(table, vec![batch(table, &bench.tenant, seed, 90, now())]).await;
            }
        }
        let mut before = Vec::new();
        for table in Table::ALL {
            before.push(rows_of(&bench.scan(table, vec![]).await));
        }
        let compactor = compactor(&bench);
        let mut jobs = 0;
        while compactor.run_once().await.unwrap().is_some() {
            jobs += 1;
        }
        assert!(jobs >= Table::ALL.len());
        let snapshot = bench.catalog.snapshot().await.unwrap();
        for (table, before) in Table::ALL.into_iter().zip(before) {
            // Two around midnight.
            assert!(snapshot.files(table, &bench.tenant).len() <= 2, "{}", table.name());
            assert_eq!(rows_of(&bench.scan(table, vec![]).await), before, "{}", table.name());
        }
    }
}

#[tokio::test]
async fn large_row_groups_are_moved_and_stay_findable() {
    let bench = Bench::local().await;
    let start = now().div_euclid(DAY) * DAY - DAY;
    let large = 66_000;
    for seed in 0..2 {
        let mut rows = batch(Table::Spans, &bench.tenant, seed, large, start);
        if seed == 1 {
            // NULLs are written for a scalar and for lists, one of structs.
            for column in ["events", "links", "status_message"] {
                rows.remove_column(rows.schema().index_of(column).unwrap());
            }
        }
        bench.write(Table::Spans, vec![rows]).await;
    }
    for seed in 2..5 {
        bench.write(Table::Spans, vec![batch(Table::Spans, &bench.tenant, seed, 500, start)]).await;
    }
    let before = rows_of(&bench.scan(Table::Spans, vec![]).await);
    let compactor = compactor(&bench);
    // First the small ones, then the large ones, one of which lacks a promoted column.
    let sizes = [compactor.run_once().await.unwrap().unwrap(), compactor.run_once().await.unwrap().unwrap()];
    assert_eq!(sizes.map(|job| (job.files, job.rows)), [(3, 1500), (2, 2 * large as u64)]);
    assert_eq!(compactor.run_once().await.unwrap(), None);
    assert!(rows_of(&bench.scan(Table::Spans, vec![]).await) == before);
    for seed in 0..5 {
        let id = support::trace_id(seed, 1);
        let filter = col("trace_id").eq(lit(ScalarValue::FixedSizeBinary(16, Some(id.to_vec()))));
        let found = bench.query(Table::Spans, vec![], filter).await;
        let expected = bench.query(
            Table::Spans,
            vec![batch(Table::Spans, &bench.tenant, seed, if seed < 2 { large } else { 500 }, start)],
            col("trace_id").eq(lit(ScalarValue::FixedSizeBinary(16, Some(id.to_vec())))),
        );
        // The second one sees file and buffer, so each row twice.
        assert_eq!(rows_of(&expected.await).len(), 2 * rows_of(&found).len());
        assert!(!rows_of(&found).is_empty(), "{seed}");
    }
    let route = datafusion::prelude::ident("span.http.route").eq(lit("/r/2"));
    assert!(!rows_of(&bench.query(Table::Spans, vec![], route).await).is_empty());
}

#[tokio::test]
async fn a_merge_that_fails_does_not_hold_up_others() {
    let bench = Bench::local().await;
    let yesterday = now().div_euclid(DAY) * DAY - DAY;
    for (table, files) in [(Table::Logs, 9), (Table::Spans, 8)] {
        for seed in 0..files {
            bench.write(table, vec![batch(table, &bench.tenant, seed, 50, yesterday)]).await;
        }
    }
    let path = bench.catalog.snapshot().await.unwrap().files(Table::Logs, &bench.tenant)[3].path.clone();
    std::fs::write(bench.directory().join(&path), b"PAR1 something else PAR1").unwrap();
    let compactor = compactor(&bench);
    let error = compactor.run_once().await.unwrap_err().to_string();
    assert!(error.contains(&path), "the job with most files goes first: {error}");
    assert_eq!(compactor.run_once().await.unwrap().map(|job| job.table), Some(Table::Spans));
    assert_eq!(compactor.run_once().await.unwrap(), None, "what failed waits");
}

/// A footer that counts fewer rows than there are: a merge must not drop the others.
#[tokio::test]
async fn a_file_that_disagrees_with_the_catalog_is_not_merged() {
    let bench = Bench::local().await;
    let yesterday = now().div_euclid(DAY) * DAY - DAY;
    for seed in 0..8 {
        bench.write(Table::Logs, vec![batch(Table::Logs, &bench.tenant, seed, 50, yesterday)]).await;
    }
    let shorter = bench.write_uncommitted(Table::Logs, vec![batch(Table::Logs, &bench.tenant, 9, 49, yesterday)]).await;
    let mut file = shorter[0].clone();
    file.rows = 50;
    bench.catalog.commit(Change { add: vec![file.clone()], ..Change::default() }).await.unwrap();
    let error = compactor(&bench).run_once().await.unwrap_err().to_string();
    assert!(error.contains(&file.path) && error.contains("50 rows"), "{error}");
}

#[tokio::test]
async fn of_two_compactors_one_wins() {
    let bench = Bench::local().await;
    for seed in 0..8 {
        bench.write(Table::Samples, vec![batch(Table::Samples, &bench.tenant, seed, 40, now())]).await;
    }
    let before = rows_of(&bench.scan(Table::Samples, vec![]).await);
    let (first, second) = (compactor(&bench), compactor(&bench));
    let (a, b) = tokio::join!(first.run_once(), second.run_once());
    let won = [a.unwrap(), b.unwrap()].iter().flatten().count();
    assert_eq!(won, 1);
    assert_eq!(rows_of(&bench.scan(Table::Samples, vec![]).await), before);
}

#[tokio::test]
async fn retention_is_per_tenant_and_deletes_objects_after_the_grace() {
    let bench = Bench::local().await;
    let other = Bench { tenant: Tenant::new("keeper").unwrap(), ..bench.clone() };
    for bench in [&bench, &other] {
        for age in [1, 10] {
            let rows = batch(Table::Logs, &bench.tenant, age, 20, now() - age as i64 * DAY);
            bench.write(Table::Logs, vec![rows]).await;
        }
    }
    let policy: RetentionConfig =
        serde_json::from_str(r#"{"block_retention":"168h","tenants":{"keeper":{"logs":"720h"}}}"#).unwrap();
    let dropped = enforce(&bench.catalog, &policy, Utc::now()).await.unwrap();
    assert!(dropped.rows >= 20 && dropped.files <= 2, "{dropped:?}");
    assert_eq!(rows_of(&bench.scan(Table::Logs, vec![]).await).len(), 20);
    assert_eq!(rows_of(&other.scan(Table::Logs, vec![]).await).len(), 40);
    assert_eq!(enforce(&bench.catalog, &policy, Utc::now()).await.unwrap().files, 0);

    let objects = || async { bench.files.list(Table::Logs).await.unwrap().len() };
    let before = objects().await;
    let options = CollectOptions { grace: Duration::from_secs(60), orphan_age: Duration::from_secs(3600) };
    assert_eq!(collect(&bench.catalog, &bench.files, &options, Utc::now()).await.unwrap().expired, 0);
    assert_eq!(objects().await, before);
    let later = Utc::now() + Duration::from_secs(120);
    let collected = collect(&bench.catalog, &bench.files, &options, later).await.unwrap();
    assert_eq!(collected.expired, dropped.files);
    assert_eq!(objects().await, before - dropped.files);
    assert_eq!(collect(&bench.catalog, &bench.files, &options, later).await.unwrap().expired, 0);
}

#[tokio::test]
async fn orphans_are_collected_when_they_are_old() {
    let bench = Bench::local().await;
    bench.write(Table::Spans, vec![batch(Table::Spans, &bench.tenant, 1, 20, now())]).await;
    let listed = bench.files.list(Table::Spans).await.unwrap().len();
    bench.write_uncommitted(Table::Spans, vec![batch(Table::Spans, &bench.tenant, 2, 20, now())]).await;
    let options = CollectOptions { grace: Duration::from_secs(60), orphan_age: Duration::from_secs(3600) };
    assert_eq!(collect(&bench.catalog, &bench.files, &options, Utc::now()).await.unwrap().orphans, 0);
    let later = Utc::now() + Duration::from_secs(7200);
    assert!(collect(&bench.catalog, &bench.files, &options, later).await.unwrap().orphans >= 1);
    assert_eq!(bench.files.list(Table::Spans).await.unwrap().len(), listed);
    assert_eq!(rows_of(&bench.scan(Table::Spans, vec![]).await).len(), 20);
}

#[tokio::test]
async fn broken_files_are_named() {
    let bench = Bench::local().await;
    bench.write(Table::Spans, vec![batch(Table::Spans, &bench.tenant, 1, 2000, now())]).await;
    let path = bench.catalog.snapshot().await.unwrap().files(Table::Spans, &bench.tenant)[0].path.clone();
    let on_disk = bench.directory().join(&path);
    let whole = std::fs::read(&on_disk).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 4..whole.len() / 4 * 3].fill(0xA5);
    for (case, bytes) in [("truncated", whole[..whole.len() / 2].to_vec()), ("empty", vec![])] {
        std::fs::write(&on_disk, bytes).unwrap();
        let error = bench.fresh().try_scan(Table::Spans).await.unwrap_err().to_string();
        assert!(error.contains(&path), "{case}: {error}");
    }
    std::fs::write(&on_disk, damaged).unwrap();
    let error = bench.fresh().try_scan(Table::Spans).await.unwrap_err().to_string();
    assert!(error.contains(&path) && error.contains("backup"), "{error}");
    std::fs::remove_file(&on_disk).unwrap();
    let error = bench.fresh().try_scan(Table::Spans).await.unwrap_err().to_string();
    assert!(error.contains(&path) && error.contains("backup"), "{error}");
}

/// Pages are compressed: a change inside one is found when it is unpacked.
#[tokio::test]
async fn a_flipped_byte_in_a_page_is_blamed_on_its_file() {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    let bench = Bench::local().await;
    for seed in [1, 2] {
        bench.write(Table::Spans, vec![batch(Table::Spans, &bench.tenant, seed, 2000, now())]).await;
    }
    let files = bench.catalog.snapshot().await.unwrap().files(Table::Spans, &bench.tenant);
    let (good, bad) = (&files[0].path, &files[1].path);
    let on_disk = bench.directory().join(bad);
    let mut bytes = std::fs::read(&on_disk).unwrap();
    let reader = SerializedFileReader::new(std::fs::File::open(&on_disk).unwrap()).unwrap();
    let chunks = reader.metadata().row_group(0).columns();
    let chunk = chunks.iter().find(|chunk| chunk.column_path().string() == "span_attributes").unwrap();
    // The first bytes of what is compressed are in the frame's header, behind that of the page.
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    let start = chunk.byte_range().0 as usize;
    let frame = start + bytes[start..].windows(4).position(|part| part == magic).unwrap();
    bytes[frame] ^= 1;
    std::fs::write(&on_disk, bytes).unwrap();

    let error = bench.fresh().try_scan(Table::Spans).await.unwrap_err().to_string();
    assert!(error.contains(bad) && !error.contains(good) && error.contains("backup"), "{error}");
    let names_where = async |filter| {
        let provider = bench.fresh().provider(Table::Spans, vec![]).await;
        let rows = datafusion::prelude::SessionContext::new().read_table(provider).unwrap().filter(filter).unwrap();
        rows.select_columns(&["name"]).unwrap().collect().await.unwrap_err().to_string()
    };
    let error = names_where(col("span_attributes").like(lit("%x%"))).await;
    assert!(error.contains(bad) && !error.contains(good), "{error}");
    // A query's own mistake is not the file's.
    let number = datafusion::prelude::cast(col("name"), arrow::datatypes::DataType::Int64);
    let error = names_where(number.gt(lit(1))).await;
    assert!(error.contains("Cast") && !error.contains(bad) && !error.contains(good), "{error}");
}

#[tokio::test]
async fn a_store_that_fails_leaves_nothing_listed() {
    let bench = Bench::failing().await;
    let columns = Arc::clone(bench.catalog.snapshot().await.unwrap().columns(Table::Logs));
    let rows = vec![batch(Table::Logs, &bench.tenant, 1, 20, now()).project(&(0..20).collect::<Vec<_>>()).unwrap()];
    let error =
        trefoil_storage::files::write(&bench.files, &columns, Table::Logs, &bench.tenant, rows).await.unwrap_err();
    assert!(error.to_string().contains("main/logs/default/"), "{error}");
}

#[tokio::test]
async fn attributes_are_found_wherever_they_are() {
    use trefoil_model::promote::Scope;
    use trefoil_storage::scan::{AttributeType, attribute_expr};
    let bench = Bench::local().await;
    let rows = batch(Table::Spans, &bench.tenant, 1, 60, now());
    bench.write(Table::Spans, vec![rows]).await;
    let schema = bench.provider(Table::Spans, vec![]).await.schema();
    let promoted = attribute_expr(&schema, Scope::Span, "http.route", AttributeType::Text).eq(lit("/r/2"));
    let rest = attribute_expr(&schema, Scope::Span, "n", AttributeType::Number).gt(lit(40.0));
    let found = bench.query(Table::Spans, vec![], promoted).await;
    assert!(!rows_of(&found).is_empty());
    let found = bench.query(Table::Spans, vec![], rest).await;
    assert_eq!(rows_of(&found).len(), 19, "{}", pretty_format_batches(&found).unwrap());
}

/// The file as any Parquet reader sees it.
#[tokio::test]
async fn files_are_plain_sorted_parquet_with_the_catalogs_ids() {
    use arrow::array::AsArray;
    use arrow::datatypes::TimestampNanosecondType;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use trefoil_storage::catalog::Column;

    let bench = Bench::local().await;
    let start = now().div_euclid(DAY) * DAY;
    let batches = (0..4).map(|seed| batch(Table::Spans, &bench.tenant, seed, 300, start)).collect();
    bench.write(Table::Spans, batches).await;
    let snapshot = bench.catalog.snapshot().await.unwrap();
    let [file] = &*snapshot.files(Table::Spans, &bench.tenant) else { panic!("more than one file") };
    let on_disk = std::fs::File::open(bench.directory().join(&file.path)).unwrap();
    assert_eq!(on_disk.metadata().unwrap().len(), file.size_bytes);
    let reader = ParquetRecordBatchReaderBuilder::try_new(on_disk).unwrap();
    let footer = reader.metadata().file_metadata();
    assert!(footer.key_value_metadata().is_none_or(|pairs| pairs.iter().all(|pair| pair.key != "ARROW:schema")));
    let ids: Vec<(String, i32)> = footer
        .schema_descr()
        .root_schema()
        .get_fields()
        .iter()
        .map(|field| (field.name().to_string(), field.get_basic_info().id()))
        .collect();
    let known = snapshot.columns(Table::Spans).all().iter();
    let expected: Vec<_> = known.map(|column: &Column| (column.name.clone(), column.id as i32)).collect();
    assert_eq!(ids, expected);

    let mut previous = ([0; 16].to_vec(), i64::MIN);
    let mut rows = 0;
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let ids = batch.column_by_name("trace_id").unwrap().as_fixed_size_binary();
        let times = batch.column_by_name("start_time_unix_nano").unwrap().as_primitive::<TimestampNanosecondType>();
        for row in 0..batch.num_rows() {
            let next = (ids.value(row).to_vec(), times.value(row));
            assert!(previous <= next);
            previous = next;
            rows += 1;
        }
    }
    assert_eq!(rows, 1200);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 12, ..Default::default() })]

    /// Whatever is written in whatever pieces, merged or not, is the same rows.
    #[test]
    fn sorting_and_merging_keep_the_rows(
        pieces in proptest::collection::vec((0_u64..1000, 1_usize..120, 0_i64..3), 1..12),
        table in proptest::sample::select(Table::ALL.to_vec()),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let bench = Bench::local().await;
            let batches: Vec<_> = pieces
                .iter()
                .map(|&(seed, rows, days)| batch(table, &bench.tenant, seed, rows, now() - days * DAY))
                .collect();
            let expected = rows_of(&bench.scan(table, batches.clone()).await);
            for part in batches.chunks(3) {
                bench.write(table, part.to_vec()).await;
            }
            assert_eq!(rows_of(&bench.scan(table, vec![]).await), expected);
            while compactor(&bench).run_once().await.unwrap().is_some() {}
            assert_eq!(rows_of(&bench.scan(table, vec![]).await), expected);
        });
    }
}
