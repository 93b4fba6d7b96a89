//! How well a name fits a search, from 0 to 1, by Prometheus' two ways.

use super::parameters::Algorithm;

/// A score of anything but the very same text stays below that of the same.
const NOT_THE_SAME: f64 = 0.999;
/// Of a text within the name, not at its beginning.
const WITHIN: f64 = 0.9;
/// Winkler's weight of a common beginning, and how much of it counts.
const PREFIX_WEIGHT: f64 = 0.1;
const MOST_PREFIX: usize = 4;

/// What is searched for.
#[derive(Debug)]
pub struct Search {
    terms: Vec<String>,
    algorithm: Algorithm,
    /// Of 0 to 1.
    threshold: f64,
    case_sensitive: bool,
}

impl Search {
    pub fn new<'t>(
        terms: impl Iterator<Item = &'t str>,
        algorithm: Algorithm,
        threshold: f64,
        case_sensitive: bool,
    ) -> Self {
        let terms = terms.map(|term| if case_sensitive { term.to_owned() } else { term.to_lowercase() });
        Self { terms: terms.collect(), algorithm, threshold, case_sensitive }
    }

    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The best score of any term; `None` where the name fits none. Who searches for nothing finds everything.
    pub fn score(&self, name: &str) -> Option<f64> {
        if self.terms.is_empty() {
            return Some(1.0);
        }
        let lowered;
        let name = match self.case_sensitive {
            true => name,
            false => {
                lowered = name.to_lowercase();
                &lowered
            }
        };
        self.terms.iter().filter_map(|term| self.score_of(term, name)).reduce(f64::max)
    }

    fn score_of(&self, term: &str, name: &str) -> Option<f64> {
        // The empty term, too.
        if name.starts_with(term) {
            return Some(1.0);
        }
        match self.algorithm {
            Algorithm::Subsequence => {
                Some(subsequence(term, name)).filter(|score| *score > 0.0 && *score >= self.threshold)
            }
            Algorithm::JaroWinkler if name.contains(term) => Some(WITHIN),
            // A threshold of 0 is fulfilled by everything, and so asks for nothing but texts within names.
            Algorithm::JaroWinkler if self.threshold == 0.0 => None,
            Algorithm::JaroWinkler => Some(jaro_winkler(term, name)).filter(|score| *score >= self.threshold),
        }
    }
}

/// All characters of the pattern have to come in the text in their order. Runs count by their squares, gaps against it, those
/// behind the last by half; the best place to begin counts. 0 where the pattern does not fit.
fn subsequence(pattern: &str, text: &str) -> f64 {
    if pattern == text {
        return 1.0;
    }
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let Some(last_start) = text.len().checked_sub(pattern.len()) else { return 0.0 };
    let starts = (0..=last_start).filter(|start| text[*start] == pattern[0]);
    // Where it cannot be completed from one place, it cannot from a later one.
    let best = starts.map_while(|start| raw_score(&pattern, &text, start)).reduce(f64::max);
    match best {
        Some(best) if best >= 0.0 => best / (pattern.len() * pattern.len()) as f64 * NOT_THE_SAME,
        _ => 0.0,
    }
}

/// Greedily, with the pattern's first character at `start`.
fn raw_score(pattern: &[char], text: &[char], start: usize) -> Option<f64> {
    let share = 1.0 / text.len() as f64;
    let (mut score, mut matched, mut at, mut run_end) = (0.0, 0, start, 0);
    while matched < pattern.len() {
        let begin = at + text[at..].iter().position(|character| *character == pattern[matched])?;
        let run = text[begin..].iter().zip(&pattern[matched..]).take_while(|(a, b)| a == b).count();
        score += (run * run) as f64 - (begin - run_end) as f64 * share;
        matched += run;
        run_end = begin + run;
        at = run_end;
    }
    Some(score - (text.len() - run_end) as f64 * share * 0.5)
}

/// Without Winkler's condition that the texts are similar anyway, as in Prometheus.
fn jaro_winkler(a: &str, b: &str) -> f64 {
    // Which characters match depends on whose are looked for.
    let (shorter, longer) = if a.chars().count() <= b.chars().count() { (a, b) } else { (b, a) };
    let jaro = strsim::jaro(shorter, longer);
    let prefix = a.chars().zip(b.chars()).take(MOST_PREFIX).take_while(|(a, b)| a == b).count();
    if jaro == 0.0 { 0.0 } else { jaro + prefix as f64 * PREFIX_WEIGHT * (1.0 - jaro) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(term: &str, algorithm: Algorithm, threshold: f64) -> Search {
        Search::new([term].into_iter(), algorithm, threshold, true)
    }

    #[test]
    fn subsequences_are_scored_by_runs_and_gaps() {
        // Runs of four, one (the t of requests) and four characters, less gaps of 10 of 19.
        let expected = (16.0 + 1.0 + 16.0 - 10.0 / 19.0) / 81.0 * NOT_THE_SAME;
        assert!((subsequence("httptotal", "http_requests_total") - expected).abs() < 1e-12);
        let leading = (4.0 - 3.0 / 6.0 - 0.5 / 6.0) / 4.0 * NOT_THE_SAME;
        assert!((subsequence("up", "go_upx") - leading).abs() < 1e-12);
        assert_eq!((subsequence("up", "up"), subsequence("pu", "up"), subsequence("upp", "up")), (1.0, 0.0, 0.0));
        // The second place to begin is the better one.
        assert!(subsequence("ab", "a_ab") > subsequence("ab", "a_b_"));
        assert!(subsequence("grß", "x_grüße") > 0.0);
    }

    #[test]
    fn similar_texts_score_as_in_prometheus() {
        for (a, b, low, high) in [
            ("mimir", "mimer", 0.90, 0.92),
            ("martha", "marhta", 0.96, 0.97),
            ("dwayne", "duane", 0.83, 0.85),
            ("dixon", "dicksonx", 0.81, 0.83),
            ("prefix_abc", "prefix_xyz", 0.80, 0.90),
            ("café", "cafe", 0.88, 0.89),
            ("naïve_long", "naïve", 0.89, 0.91),
            ("abc", "xyz", 0.0, 0.0),
        ] {
            for score in [jaro_winkler(a, b), jaro_winkler(b, a)] {
                assert!((low..=high).contains(&score), "{a} {b} {score}");
            }
        }
    }

    #[test]
    fn names_fit_or_do_not() {
        use Algorithm::{JaroWinkler, Subsequence};
        for (term, algorithm, threshold, name, expected) in [
            ("http", Subsequence, 0.0, "http_requests_total", Some(1.0)),
            ("", Subsequence, 1.0, "anything", Some(1.0)),
            ("xyz", Subsequence, 0.0, "http_requests_total", None),
            ("hrt", Subsequence, 0.9, "http_requests_total", None),
            ("requests", JaroWinkler, 0.0, "http_requests_total", Some(WITHIN)),
            ("htpp", JaroWinkler, 0.0, "http", None),
            ("mimer", JaroWinkler, 0.95, "mimir", None),
        ] {
            assert_eq!(search(term, algorithm, threshold).score(name), expected, "{term} {name}");
        }
        assert!(search("hrt", Subsequence, 0.0).score("http_requests_total").is_some());
        assert!(search("mimer", JaroWinkler, 0.9).score("mimir").is_some());
        let either = Search::new(["none", "UP"].into_iter(), Subsequence, 0.0, false);
        assert_eq!((either.score("Up"), either.score("down")), (Some(1.0), None));
    }
}
