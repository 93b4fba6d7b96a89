//! The list `operators` of a configuration.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::chain::{Chain, Link, OnError, Places};
use super::expr::Condition;
use super::operators;
use crate::config::{ConfigError, Entry, Node, Problem, Problems, Section, Segment, Value, nearest, suggestion};

/// More operators are no list that somebody wrote.
const MOST: usize = 1000;

/// Entries that can come of one.
const MOST_COPIES: u64 = 1000;

const COMMON: [&str; 5] = ["type", "id", "output", "on_error", "if"];

/// What every operator has.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Common {
    r#type: String,
    id: Option<String>,
    output: Outputs,
    on_error: OnError,
    r#if: Option<Condition>,
}

/// One id, or a list of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs(pub Vec<String>);

impl<'de> Deserialize<'de> for Outputs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use super::value::Value::{List, Null, String};
        let name = |value| match value {
            String(name) => Ok(name),
            other => Err(serde::de::Error::custom(format!("expected the id of an operator, found {}", other.kind()))),
        };
        match super::value::Value::deserialize(deserializer)? {
            Null => Ok(Self::default()),
            List(names) => names.into_iter().map(name).collect::<Result<_, _>>().map(Self),
            one => name(one).map(|name| Self(vec![name])),
        }
    }
}

/// One operator of the list, its options cut into those that all have and its own.
pub struct Options<'a> {
    place: Vec<Segment>,
    own: Node,
    whole: Section<'a>,
}

impl Options<'_> {
    /// Its own options.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        Section::new(&self.own, &self.place).parse().map_err(|error| retold(&error, &[]))
    }

    /// Its own options without those of `names`, which are read by [`Options::parse_only`].
    pub fn parse_without<T: DeserializeOwned>(&self, names: &[&str]) -> Result<T, ConfigError> {
        let (_, rest) = split(&self.own, names);
        Section::new(&rest, &self.place).parse().map_err(|error| retold(&error, names))
    }

    pub fn parse_only<T: DeserializeOwned>(&self, names: &[&str]) -> Result<T, ConfigError> {
        let (only, _) = split(&self.own, names);
        Section::new(&only, &self.place).parse()
    }

    pub fn invalid(&self, option: &str, reason: impl std::fmt::Display) -> ConfigError {
        Section::new(&self.own, &self.place).invalid(option, reason)
    }

    /// The operator with all of its options.
    pub fn section(&self) -> Section<'_> {
        self.whole
    }
}

/// Who reads a part of the options knows that part only: what is meant may be another one.
fn retold(error: &ConfigError, others: &[&str]) -> ConfigError {
    const UNKNOWN: &str = "unknown option";
    let retell = |problem: &Problem| {
        let key = problem.path.rsplit('.').next().unwrap_or_default();
        let own = problem.message.strip_prefix(UNKNOWN)?.split('`').nth(1).unwrap_or_default();
        let near = nearest(key, others.iter().chain(&COMMON).copied().chain([own]));
        let message = near.map_or(UNKNOWN.to_owned(), |near| format!("{UNKNOWN}; did you mean `{near}`?"));
        Some(Problem { message, ..problem.clone() })
    };
    let mut problems = Problems::default();
    error.problems().iter().for_each(|problem| problems.push(retell(problem).unwrap_or_else(|| problem.clone())));
    problems.into_error().unwrap_or_else(|| error.clone())
}

fn split(node: &Node, names: &[&str]) -> (Node, Node) {
    let (named, rest): (Vec<Entry>, Vec<Entry>) =
        node.entries().iter().cloned().partition(|entry| names.contains(&entry.key.as_str()));
    (Node::new(Value::Mapping(named), node.at.clone()), Node::new(Value::Mapping(rest), node.at.clone()))
}

/// Reads the option `operators` of a section; without it, entries pass as they are.
pub fn parse(section: &Section<'_>) -> Result<Chain, ConfigError> {
    let Some(list) = section.node().get("operators").filter(|node| !node.is_null()) else {
        return Ok(Chain::default());
    };
    let Value::Sequence(items) = &list.value else {
        return Err(section.invalid("operators", format!("expected a list, found {}", list.describe())));
    };
    if items.len() > MOST {
        return Err(section.invalid("operators", format!("there are more than {MOST} operators")));
    }
    let mut problems = Problems::default();
    let mut ids = Vec::new();
    let mut read = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let place = [Segment::Key("operators".to_owned()), Segment::Index(index)];
        let place: Vec<Segment> = section.path().iter().cloned().chain(place).collect();
        let (common, own) = split(item, &COMMON);
        let Some(options) = problems.note(mapping(item, &place)) else { continue };
        let common: Option<Common> = problems.note(Section::new(&common, &place).parse());
        let Some(common) = common else { continue };
        let options = Options { whole: options, own, place: place.clone() };
        let Some(operator) = problems.note(operators::parse(&common.r#type, &options)) else { continue };
        match id(&common, &ids) {
            Ok(id) => ids.push(id),
            Err(reason) => problems.push(options.section().problem("id", reason)),
        }
        read.push((index, common, operator));
    }
    if !problems.is_empty() {
        return problems.or(Chain::default());
    }
    let mut links = Vec::new();
    for (place, ((index, common, operator), id)) in read.into_iter().zip(&ids).enumerate() {
        let mut places = Places { ids: &ids, own: place, problems: Vec::new() };
        let outputs = match common.output.0.is_empty() {
            true => vec![place + 1],
            false => places.of(&common.output, "output"),
        };
        let operator = operator.placed(&mut places);
        for (option, reason) in places.problems {
            problems.push(section.problem(&format!("operators[{index}].{option}"), reason));
        }
        links.push(Link::new(id.clone(), operator, common.r#if.map(|condition| condition.0), common.on_error, outputs));
    }
    let chain = Chain::new(links);
    if let Some(place) = chain.circle() {
        let reason = "entries would go round in a circle";
        problems.push(section.problem(&format!("operators[{place}]"), reason));
    } else if chain.copies() > MOST_COPIES {
        let reason = format!("more than {MOST_COPIES} copies would be made of an entry");
        problems.push(section.problem("operators", reason));
    }
    problems.or(chain)
}

fn mapping<'a>(item: &'a Node, place: &'a [Segment]) -> Result<Section<'a>, ConfigError> {
    let section = Section::new(item, place);
    match &item.value {
        Value::Mapping(_) if item.get("type").is_some() => Ok(section),
        Value::Mapping(_) => Err(section.invalid("", "the option `type` is missing")),
        _ => Err(section.invalid("", format!("expected a mapping, found {}", item.describe()))),
    }
}

/// Its own, or that of its type, with a number where another one has that already.
fn id(common: &Common, taken: &[String]) -> Result<String, String> {
    let is_taken = |id: &str| taken.iter().any(|taken| taken == id);
    match &common.id {
        Some(id) if is_taken(id) => Err(format!("the id `{id}` is given to two operators")),
        Some(id) => Ok(id.clone()),
        None if is_taken(&common.r#type) => {
            let numbered = (1..).map(|number| format!("{}{number}", common.r#type)).find(|id| !is_taken(id));
            Ok(numbered.unwrap_or_default())
        }
        None => Ok(common.r#type.clone()),
    }
}

impl Places<'_> {
    /// Where the operators of these ids are.
    pub fn of(&mut self, outputs: &Outputs, option: &str) -> Vec<usize> {
        let mut found = Vec::new();
        for name in &outputs.0 {
            match self.ids.iter().position(|id| id == name) {
                Some(place) if place == self.own => {
                    self.problems.push((option.to_owned(), "an operator cannot be its own output".to_owned()));
                }
                Some(place) => found.push(place),
                None => {
                    let near = suggestion(name, self.ids.iter().map(String::as_str));
                    self.problems.push((option.to_owned(), format!("there is no operator `{name}`{near}")));
                }
            }
        }
        found
    }
}
