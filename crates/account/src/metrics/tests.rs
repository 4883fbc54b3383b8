use rheos_types::{AccountId, Namespace, Region};

use super::*;

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
/// A whole number of hours.
const NOW: u64 = 1_764_432_000_000;

fn here() -> Namespace {
    Namespace { account: AccountId::new("000000000000").unwrap(), region: Region::new("us-east-1").unwrap() }
}

fn id(name: &str) -> MetricId {
    MetricId::new("App", name, vec![("Shard".to_owned(), "1".to_owned())]).unwrap()
}

fn value(at_ms: u64, value: f64) -> Sample {
    Sample { at_ms, unit: "Count", by_second: false, content: Content::Values(vec![(value, 1.0)]) }
}

fn set(at_ms: u64, count: f64, sum: f64, minimum: f64, maximum: f64) -> Sample {
    let content = Content::Set(StatisticSet { count, sum, minimum, maximum });
    Sample { at_ms, unit: "Count", by_second: false, content }
}

fn roomy() -> Metrics {
    Metrics::new(Bounds { series: 1000, bytes: 64 << 20 })
}

fn range(start_ms: u64, end_ms: u64, period_ms: u64) -> Range {
    Range { start_ms, end_ms, period_ms }
}

/// The points of a range, of one unit or of all.
fn read(metrics: &Metrics, of: &Namespace, id: &MetricId, range: Range, unit: Option<&str>) -> Vec<Point> {
    let mut points = Vec::new();
    metrics.read(of, id, range, true, |point| {
        if unit.is_none_or(|unit| unit == point.unit) {
            points.push(point.clone());
        }
        ControlFlow::Continue(())
    });
    points
}

fn put(metrics: &Metrics, name: &str, sample: Sample, now_ms: u64) -> Dropped {
    metrics.put(&here(), vec![(id(name), sample)], now_ms)
}

#[test]
fn samples_of_a_period_are_one_point() {
    let metrics = roomy();
    put(&metrics, "m", value(NOW + 1, 1.0), NOW);
    put(&metrics, "m", value(NOW + 59_999, 3.0), NOW);
    put(&metrics, "m", set(NOW + MINUTE, 4.0, 40.0, 7.0, 13.0), NOW);
    let points = read(&metrics, &here(), &id("m"), range(NOW, NOW + 2 * MINUTE, MINUTE), None);
    assert_eq!(points.iter().map(|point| point.at_ms).collect::<Vec<_>>(), [NOW, NOW + MINUTE]);
    let first = points[0].set;
    assert_eq!((first.count, first.sum, first.minimum, first.maximum, first.average()), (2.0, 4.0, 1.0, 3.0, 2.0));
    assert_eq!(Statistic::parse("p50").unwrap().of(&first, points[0].values.as_ref()), Some(1.0));
    // Of a set only its statistics are known.
    assert_eq!(Statistic::parse("p50").unwrap().of(&points[1].set, points[1].values.as_ref()), None);
    // The end does not count, and the start counts from the beginning of its period.
    let points = read(&metrics, &here(), &id("m"), range(NOW + 30_000, NOW + MINUTE, MINUTE), None);
    assert_eq!(points.len(), 1);
    let whole = read(&metrics, &here(), &id("m"), range(NOW, NOW + 5 * MINUTE, 5 * MINUTE), None);
    assert_eq!((whole.len(), whole[0].set.count, whole[0].set.maximum), (1, 6.0, 13.0));
}

#[test]
fn a_set_of_one_value_has_percentiles() {
    let metrics = roomy();
    put(&metrics, "m", set(NOW, 1.0, 9.0, 9.0, 9.0), NOW);
    put(&metrics, "m", set(NOW, 3.0, 15.0, 5.0, 5.0), NOW);
    let points = read(&metrics, &here(), &id("m"), range(NOW, NOW + MINUTE, MINUTE), None);
    assert_eq!(points[0].values.as_ref().unwrap().values(), [(5.0, 3.0), (9.0, 1.0)]);
}

#[test]
fn a_series_is_its_exact_dimensions_and_units_stay_apart() {
    let metrics = roomy();
    let bare = MetricId::new("App", "m", Vec::new()).unwrap();
    put(&metrics, "m", value(NOW, 1.0), NOW);
    metrics.put(&here(), vec![(bare.clone(), Sample { unit: "Bytes", ..value(NOW, 2.0) })], NOW);
    metrics.put(&here(), vec![(bare.clone(), value(NOW, 4.0))], NOW);
    let all = range(NOW, NOW + MINUTE, MINUTE);
    assert_eq!(read(&metrics, &here(), &bare, all, None).len(), 2);
    assert_eq!(read(&metrics, &here(), &bare, all, Some("Bytes"))[0].set.sum, 2.0);
    assert_eq!(read(&metrics, &here(), &id("m"), all, None)[0].set.sum, 1.0);
    let elsewhere = Namespace { region: Region::new("eu-west-1").unwrap(), ..here() };
    assert!(read(&metrics, &elsewhere, &bare, all, None).is_empty());
    let twice = vec![("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())];
    assert_eq!(MetricId::new("App", "m", twice), None);
}

#[test]
fn seconds_are_kept_where_they_are_asked_for_and_for_three_hours() {
    let metrics = roomy();
    put(&metrics, "m", Sample { by_second: true, ..value(NOW + 1500, 1.0) }, NOW);
    put(&metrics, "m", Sample { by_second: true, ..value(NOW + 2500, 2.0) }, NOW);
    let read = |period_ms| super::tests::read(&metrics, &here(), &id("m"), range(NOW, NOW + MINUTE, period_ms), None);
    assert_eq!(read(1000).iter().map(|point| point.set.sum).collect::<Vec<_>>(), [1.0, 2.0]);
    assert_eq!(read(5000)[0].set.sum, 3.0);
    put(&metrics, "m", value(NOW + 4 * 60 * MINUTE, 5.0), NOW + 4 * 60 * MINUTE);
    assert!(read(1000).is_empty());
    assert_eq!(read(MINUTE)[0].set.sum, 3.0);
}

#[test]
fn buckets_age_without_losing_a_sample_until_their_end() {
    let metrics = roomy();
    for minute in 0..10 {
        put(&metrics, "m", value(NOW + minute * MINUTE, 1.0), NOW);
    }
    let count = |now_ms: u64, period_ms| {
        put(&metrics, "other", value(now_ms, 0.0), now_ms);
        let points = read(&metrics, &here(), &id("m"), range(NOW, NOW + 60 * MINUTE, period_ms), None);
        (points.len(), points.iter().map(|point| point.set.count).sum::<f64>())
    };
    assert_eq!(count(NOW + 14 * DAY, MINUTE), (10, 10.0));
    assert_eq!(count(NOW + 16 * DAY, MINUTE), (2, 10.0));
    assert_eq!(count(NOW + 64 * DAY, MINUTE), (1, 10.0));
    assert_eq!(count(NOW + 454 * DAY, 60 * MINUTE), (1, 10.0));
    assert_eq!(count(NOW + 456 * DAY, 60 * MINUTE), (0, 0.0));
}

#[test]
fn series_are_listed_in_order_page_by_page() {
    let metrics = roomy();
    for name in ["c", "a", "b"] {
        put(&metrics, name, value(NOW, 1.0), NOW);
    }
    let names = |filter: &Filter, after: Option<&MetricId>, most, now_ms| {
        let (ids, more) = metrics.list(&here(), filter, after, most, now_ms);
        (ids.iter().map(|id| id.name.clone()).collect::<Vec<_>>(), more)
    };
    let all = Filter::default();
    assert_eq!(names(&all, None, 2, NOW), (vec!["a".to_owned(), "b".to_owned()], true));
    assert_eq!(names(&all, Some(&id("b")), 2, NOW), (vec!["c".to_owned()], false));
    let by_dimension = |value: Option<&str>| Filter {
        dimensions: vec![("Shard".to_owned(), value.map(str::to_owned))],
        ..Filter::default()
    };
    assert_eq!(names(&by_dimension(None), None, 9, NOW).0.len(), 3);
    assert_eq!(names(&by_dimension(Some("1")), None, 9, NOW).0.len(), 3);
    assert!(names(&by_dimension(Some("2")), None, 9, NOW).0.is_empty());
    assert!(names(&Filter { namespace: Some("Other".to_owned()), ..Filter::default() }, None, 9, NOW).0.is_empty());
    let recent = Filter { recently_active: true, ..Filter::default() };
    assert_eq!(names(&recent, None, 9, NOW + 2 * 60 * MINUTE).0.len(), 3);
    assert!(names(&recent, None, 9, NOW + 4 * 60 * MINUTE).0.is_empty());
    assert_eq!(names(&all, None, 9, NOW + 13 * DAY).0.len(), 3);
    assert!(names(&all, None, 9, NOW + 15 * DAY).0.is_empty());
}

#[test]
fn too_many_series_cost_those_that_were_reported_longest_ago() {
    let metrics = Metrics::new(Bounds { series: 80, bytes: 64 << 20 });
    let mut dropped = 0;
    for number in 0..200_u64 {
        dropped += put(&metrics, &number.to_string(), value(NOW + number, 1.0), NOW + number).series;
        assert!(metrics.size().0 <= 80);
    }
    assert_eq!(dropped + metrics.size().0, 200);
    let (ids, _) = metrics.list(&here(), &Filter::default(), None, 1000, NOW);
    assert!(ids.iter().all(|id| id.name.parse::<u64>().unwrap() >= 200 - 80), "{ids:?}");
    // At one moment, too.
    let many = (0..300_u64).map(|number| (id(&format!("n{number}")), value(NOW, 1.0))).collect();
    metrics.put(&here(), many, NOW + DAY);
    assert!((60..=80).contains(&metrics.size().0), "{:?}", metrics.size());
}

#[test]
fn when_bytes_are_short_buckets_are_kept_for_a_shorter_time() {
    let bounds = Bounds { series: 1000, bytes: 600_000 };
    let metrics = Metrics::new(bounds);
    let mut shortened = 0;
    for minute in 0..20_000_u64 {
        let now = NOW + minute * MINUTE;
        let dropped = put(&metrics, "m", value(now, 1.0), now);
        shortened += u32::from(dropped.is_shortened);
        assert_eq!(dropped.series, 0);
        assert!(metrics.size().1 <= bounds.bytes, "{:?}", metrics.size());
    }
    assert!(shortened > 0);
    let now = NOW + 19_999 * MINUTE;
    let points = read(&metrics, &here(), &id("m"), range(NOW, now + MINUTE, 60 * MINUTE), None);
    // The older ones are coarser, and none is lost.
    assert_eq!(points.iter().map(|point| point.set.count).sum::<f64>(), 20_000.0);
}

#[test]
fn what_a_flood_of_values_takes_is_bounded() {
    let bounds = Bounds { series: 100_000, bytes: 1 << 20 };
    let metrics = Metrics::new(bounds);
    for number in 0..400_u64 {
        let values = (0..150).map(|at| (f64::from(at) + number as f64 / 1000.0, 1.0)).collect();
        let sample = Sample { content: Content::Values(values), ..value(NOW, 0.0) };
        let many = (0..20).map(|at| (id(&format!("{number}-{at}")), sample.clone())).collect();
        metrics.put(&here(), many, NOW + number);
        assert!(metrics.size().1 <= bounds.bytes, "{:?}", metrics.size());
    }
    assert!(metrics.size().0 > 100);
}

#[test]
fn statistics_go_by_their_names() {
    assert_eq!(Statistic::parse("p99.9"), Some(Statistic::Percentile(99.9)));
    assert_eq!(Statistic::parse("Average"), Some(Statistic::Average));
    for wrong in ["average", "p", "p101", "p-1", "pNaN", "p1e1", "tm99", ""] {
        assert_eq!(Statistic::parse(wrong), None, "{wrong}");
    }
}
