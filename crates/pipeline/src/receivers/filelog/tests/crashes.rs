use std::collections::HashMap;

use super::*;

#[test]
fn who_goes_on_reads_what_was_not_taken() {
    let folder = Folder::new();
    let kept = Arc::new(Kept::default());
    folder.append("a.log", "one\ntwo\nthree\n");
    let mut reader = Reader::new(folder.path(), "", Some(&kept));
    let mut pending = reader.pending();
    // The second one is still under way, so what follows it is read again.
    let (first, second, third) = (pending.remove(0), pending.remove(0), pending.remove(0));
    first.settle();
    third.settle();
    reader.save();
    drop(second);
    drop(reader);
    let mut reader = Reader::new(folder.path(), "", Some(&kept));
    assert_eq!(reader.lines(), ["two", "three"]);
    let mut reader = Reader::new(folder.path(), "", Some(&kept));
    assert!(reader.lines().is_empty());
    folder.append("a.log", "four\n");
    assert_eq!(reader.lines(), ["four"]);
}

#[test]
fn what_operators_hold_is_read_again() {
    let folder = Folder::new();
    let kept = Arc::new(Kept::default());
    let options = "operators: [{type: recombine, combine_field: body, is_last_entry: 'body endsWith \".\"'}]";
    folder.append("a.log", "a.\nb\nc\n");
    let mut reader = Reader::new(folder.path(), options, Some(&kept));
    assert_eq!(reader.lines(), ["a."]);
    drop(reader);
    folder.append("a.log", "d.\n");
    assert_eq!(Reader::new(folder.path(), options, Some(&kept)).lines(), ["b\nc\nd."]);
}

#[test]
fn files_that_moved_meanwhile_are_known() {
    let folder = Folder::new();
    let kept = Arc::new(Kept::default());
    folder.append("app.log", "one\n");
    assert_eq!(Reader::new(folder.path(), "", Some(&kept)).lines(), ["one"]);
    folder.append("app.log", "two\n");
    folder.rename("app.log", "app.log.1");
    folder.append("app.log", "three\n");
    // Also where files are read from their end at the first start.
    let mut reader = Reader::new(folder.path(), "start_at: end", Some(&kept));
    assert_eq!(reader.lines(), ["two", "three"]);
}

#[test]
fn a_tail_that_was_not_taken_is_not_lost() {
    let folder = Folder::new();
    let kept = Arc::new(Kept::default());
    folder.append("a.log", "one\ntail");
    assert_eq!(Reader::new(folder.path(), "", Some(&kept)).lines(), ["one"]);
    let mut reader = Reader::new(folder.path(), "", Some(&kept));
    assert!(reader.lines().is_empty());
    reader.later(500);
    assert_eq!(reader.lines(), ["tail"]);
    let mut reader = Reader::new(folder.path(), "", Some(&kept));
    assert!(reader.lines().is_empty());
    reader.later(5000);
    assert!(reader.lines().is_empty());
}

/// Lines are written, files rotate, readers end at any point; and then one reads all that is left.
#[test]
fn every_line_arrives_whatever_happens_and_those_that_were_taken_once() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let folder = Folder::new();
        let kept = Arc::new(Kept::default());
        let mut taken: HashMap<String, u32> = HashMap::new();
        let mut lost = 0;
        let (mut written, mut rotated) = (Vec::new(), 0);
        let mut reader = Reader::new(folder.path(), "max_log_size: 1000", Some(&kept));
        let mut under_way: Vec<Entry> = Vec::new();
        for step in 0..120 {
            match random.u32(0..10) {
                0..4 => {
                    let name = ["a.log", "b.log", "c.log"][random.usize(0..3)];
                    for part in 0..random.u32(1..20) {
                        let line = format!("{seed} {step} {part} {}", "x".repeat(random.usize(0..300)));
                        folder.append(name, format!("{line}\n"));
                        written.push(line);
                    }
                }
                4..6 => under_way.extend(reader.pending()),
                6..8 => {
                    // Some of it is taken, in any order, and that is remembered.
                    random.shuffle(&mut under_way);
                    for _ in 0..random.usize(0..=under_way.len()) {
                        let entry = under_way.pop().unwrap();
                        *taken.entry(text(&entry)).or_default() += 1;
                        entry.settle();
                    }
                    reader.save();
                }
                8 => {
                    let name = ["a.log", "b.log", "c.log"][random.usize(0..3)];
                    if folder.of(name).exists() {
                        rotated += 1;
                        folder.rename(name, &format!("{name}.{rotated}"));
                    }
                }
                _ => {
                    // Nothing is left of it but what was remembered.
                    lost += under_way.drain(..).count();
                    reader = Reader::new(folder.path(), "max_log_size: 1000", Some(&kept));
                }
            }
        }
        let was_under_way = under_way.len();
        for entry in under_way {
            *taken.entry(text(&entry)).or_default() += 1;
            entry.settle();
        }
        for line in reader.lines() {
            *taken.entry(line).or_default() += 1;
        }
        written.iter().for_each(|line| {
            let line = line.trim_end();
            assert!(taken.contains_key(line), "seed {seed}: {line} is lost ({was_under_way} under way)");
        });
        // Nothing that was taken together with all before it comes again.
        let last = Reader::new(folder.path(), "max_log_size: 1000", Some(&kept)).lines();
        assert!(last.is_empty(), "seed {seed}: {last:?}");
        if lost == 0 {
            assert!(taken.values().all(|times| *times == 1), "seed {seed}");
        }
    }
}

/// Taken in order and remembered, no line comes twice, whenever the reader ends.
#[test]
fn what_was_taken_in_order_never_comes_again() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let folder = Folder::new();
        let kept = Arc::new(Kept::default());
        let (mut written, mut taken) = (Vec::new(), Vec::new());
        let mut reader = Reader::new(folder.path(), "", Some(&kept));
        for step in 0..60 {
            for part in 0..random.u32(0..5) {
                let line = format!("{step} {part}");
                folder.append("a.log", format!("{line}\n"));
                written.push(line);
            }
            let mut pending = reader.pending();
            let kept_back = pending.split_off(random.usize(0..=pending.len()));
            for entry in pending {
                taken.push(text(&entry));
                entry.settle();
            }
            reader.save();
            let is_lost = !kept_back.is_empty();
            drop(kept_back);
            if is_lost || random.bool() {
                reader = Reader::new(folder.path(), "", Some(&kept));
            }
        }
        taken.extend(reader.lines());
        assert_eq!(taken, written, "seed {seed}");
    }
}
