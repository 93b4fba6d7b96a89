//! A query as a tree.

use crate::value::{Type, Value};

#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    pub expr: Expr,
    pub hints: Vec<Hint>,
}

/// `with(name=value)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    pub name: String,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// Finds spansets.
    Search(Pipeline),
    /// Makes series.
    Metrics(Metrics),
}

/// Stages one after the other; the first takes all spans of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline(pub Vec<Stage>);

#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    Spanset(Spanset),
    /// Keeps spansets for which it holds.
    ScalarFilter {
        op: CompareOp,
        left: Scalar,
        right: Scalar,
    },
    By(Field),
    Coalesce,
    Select(Vec<Attribute>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Spanset {
    Filter(Field),
    /// In parentheses.
    Pipeline(Pipeline),
    Operation {
        op: SpansetOp,
        left: Box<Spanset>,
        right: Box<Spanset>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpansetOp {
    And,
    Or,
    Structure { relation: Relation, result: Outcome },
}

/// What the right side is to the left one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    Child,
    Parent,
    Descendant,
    Ancestor,
    Sibling,
}

/// Which spans a structural operation gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Of the right side, those that are so to one of the left side.
    Related,
    /// Of the right side, the others: `!>`.
    Unrelated,
    /// Of both sides, those that are so to one of the other side: `&>`.
    Both,
}

/// A number of a spanset.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    Constant(Value),
    Aggregate { function: Aggregate, of: Option<Field> },
    Operation { op: ArithmeticOp, left: Box<Scalar>, right: Box<Scalar> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    Count,
    Max,
    Min,
    Avg,
    Sum,
}

/// An expression over one span.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    Value(Value),
    Attribute(Attribute),
    Not(Box<Field>),
    Negative(Box<Field>),
    /// `!= nil`.
    Exists(Box<Field>),
    /// `= nil`.
    IsNil(Box<Field>),
    /// Two or more, all of which hold. Chains are one list, however long they are.
    And(Vec<Field>),
    Or(Vec<Field>),
    Compare {
        op: CompareOp,
        left: Box<Field>,
        right: Box<Field>,
    },
    Arithmetic {
        op: ArithmeticOp,
        left: Box<Field>,
        right: Box<Field>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Regex,
    NotRegex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArithmeticOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
}

/// What a query can ask of a span.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attribute {
    Intrinsic(Intrinsic),
    /// `scope` is `None` for `.name`: the span's, else the resource's, an event's, a link's or the instrumentation's.
    Named {
        scope: Option<Scope>,
        name: String,
    },
    /// `parent.name` or `parent`. Nothing evaluates them, here or elsewhere.
    OfParent {
        scope: Option<Scope>,
        name: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    Resource,
    Span,
    Event,
    Link,
    Instrumentation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Intrinsic {
    Duration,
    Name,
    Status,
    StatusMessage,
    Kind,
    ChildCount,
    SpanId,
    ParentId,
    TraceId,
    TraceDuration,
    RootName,
    RootService,
    NestedSetLeft,
    NestedSetRight,
    NestedSetParent,
    EventName,
    EventTimeSinceStart,
    LinkTraceId,
    LinkSpanId,
    InstrumentationName,
    InstrumentationVersion,
}

/// What makes series.
#[derive(Debug, Clone, PartialEq)]
pub enum Metrics {
    Query {
        spans: Pipeline,
        function: MetricsFunction,
        by: Vec<Attribute>,
    },
    /// Another stage over the series.
    Then {
        of: Box<Metrics>,
        stage: SecondStage,
    },
    /// Series with the same labels, or with those of the side that has some.
    Operation {
        op: ArithmeticOp,
        left: Box<Metrics>,
        right: Box<Metrics>,
    },
    WithScalar {
        op: ArithmeticOp,
        metrics: Box<Metrics>,
        scalar: f64,
        is_left: bool,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum MetricsFunction {
    Rate,
    CountOverTime,
    MinOverTime(Attribute),
    MaxOverTime(Attribute),
    AvgOverTime(Attribute),
    SumOverTime(Attribute),
    HistogramOverTime(Attribute),
    QuantileOverTime {
        of: Attribute,
        quantiles: Vec<f64>,
    },
    /// Values that tell the spans of `selection` from the others. `window`, nanoseconds since the epoch, narrows the selection.
    Compare {
        selection: Field,
        top: i64,
        window: Option<(i64, i64)>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum SecondStage {
    TopK(i64),
    BottomK(i64),
    /// Durations count in seconds.
    Filter {
        op: CompareOp,
        value: Value,
    },
}

impl Intrinsic {
    /// By its name alone: `duration`.
    pub fn named(name: &str) -> Option<Intrinsic> {
        Some(match name {
            "duration" => Intrinsic::Duration,
            "name" => Intrinsic::Name,
            "status" => Intrinsic::Status,
            "statusMessage" => Intrinsic::StatusMessage,
            "kind" => Intrinsic::Kind,
            "rootName" => Intrinsic::RootName,
            "rootServiceName" => Intrinsic::RootService,
            "traceDuration" => Intrinsic::TraceDuration,
            "nestedSetLeft" => Intrinsic::NestedSetLeft,
            "nestedSetRight" => Intrinsic::NestedSetRight,
            "nestedSetParent" => Intrinsic::NestedSetParent,
            _ => return None,
        })
    }

    /// By scope and name: `trace:duration`.
    pub fn scoped(scope: &str, name: &str) -> Option<Intrinsic> {
        Some(match (scope, name) {
            ("trace", "duration") => Intrinsic::TraceDuration,
            ("trace", "rootName") => Intrinsic::RootName,
            ("trace", "rootService") => Intrinsic::RootService,
            ("trace", "id") => Intrinsic::TraceId,
            ("span", "duration") => Intrinsic::Duration,
            ("span", "name") => Intrinsic::Name,
            ("span", "kind") => Intrinsic::Kind,
            ("span", "status") => Intrinsic::Status,
            ("span", "statusMessage") => Intrinsic::StatusMessage,
            ("span", "id") => Intrinsic::SpanId,
            ("span", "parentID") => Intrinsic::ParentId,
            ("span", "childCount") => Intrinsic::ChildCount,
            ("event", "name") => Intrinsic::EventName,
            ("event", "timeSinceStart") => Intrinsic::EventTimeSinceStart,
            ("link", "traceID") => Intrinsic::LinkTraceId,
            ("link", "spanID") => Intrinsic::LinkSpanId,
            ("instrumentation", "name") => Intrinsic::InstrumentationName,
            ("instrumentation", "version") => Intrinsic::InstrumentationVersion,
            _ => return None,
        })
    }

    /// The type of its values.
    pub fn of_type(self) -> Type {
        match self {
            Intrinsic::Duration | Intrinsic::TraceDuration | Intrinsic::EventTimeSinceStart => Type::Duration,
            Intrinsic::Status => Type::Status,
            Intrinsic::Kind => Type::Kind,
            Intrinsic::ChildCount
            | Intrinsic::NestedSetLeft
            | Intrinsic::NestedSetRight
            | Intrinsic::NestedSetParent => Type::Int,
            _ => Type::String,
        }
    }
}

impl Scope {
    pub const ALL: [Scope; 5] = [Scope::Span, Scope::Resource, Scope::Event, Scope::Link, Scope::Instrumentation];

    pub fn name(self) -> &'static str {
        match self {
            Scope::Resource => "resource",
            Scope::Span => "span",
            Scope::Event => "event",
            Scope::Link => "link",
            Scope::Instrumentation => "instrumentation",
        }
    }

    pub fn named(name: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

impl Attribute {
    pub fn of_type(&self) -> Type {
        match self {
            Attribute::Intrinsic(intrinsic) => intrinsic.of_type(),
            Attribute::Named { .. } | Attribute::OfParent { .. } => Type::Any,
        }
    }
}

impl Field {
    /// Calls `visit` with every attribute in it.
    pub fn attributes<'f>(&'f self, visit: &mut impl FnMut(&'f Attribute)) {
        match self {
            Field::Value(_) => {}
            Field::Attribute(attribute) => visit(attribute),
            Field::Not(of) | Field::Negative(of) | Field::Exists(of) | Field::IsNil(of) => of.attributes(visit),
            Field::And(list) | Field::Or(list) => list.iter().for_each(|field| field.attributes(visit)),
            Field::Compare { left, right, .. } | Field::Arithmetic { left, right, .. } => {
                left.attributes(visit);
                right.attributes(visit);
            }
        }
    }

    /// The same of other attributes.
    pub fn with_attributes(&self, other: &impl Fn(&Attribute) -> Attribute) -> Field {
        let of = |field: &Field| Box::new(field.with_attributes(other));
        let each = |list: &[Field]| list.iter().map(|field| field.with_attributes(other)).collect();
        match self {
            Field::Value(value) => Field::Value(value.clone()),
            Field::Attribute(attribute) => Field::Attribute(other(attribute)),
            Field::Not(field) => Field::Not(of(field)),
            Field::Negative(field) => Field::Negative(of(field)),
            Field::Exists(field) => Field::Exists(of(field)),
            Field::IsNil(field) => Field::IsNil(of(field)),
            Field::And(list) => Field::And(each(list)),
            Field::Or(list) => Field::Or(each(list)),
            Field::Compare { op, left, right } => Field::Compare { op: *op, left: of(left), right: of(right) },
            Field::Arithmetic { op, left, right } => Field::Arithmetic { op: *op, left: of(left), right: of(right) },
        }
    }

    /// Whether it depends on the span at all.
    pub fn is_of_span(&self) -> bool {
        let mut any = false;
        self.attributes(&mut |_| any = true);
        any
    }

    /// The type of its values, as far as it can be told without a span.
    pub fn of_type(&self) -> Type {
        match self {
            Field::Value(value) => value.of_type(),
            Field::Attribute(attribute) => attribute.of_type(),
            Field::Negative(of) => of.of_type(),
            Field::Arithmetic { left, right, .. } => match left.of_type() {
                Type::Any => right.of_type(),
                known => known,
            },
            Field::Not(_)
            | Field::Exists(_)
            | Field::IsNil(_)
            | Field::And(_)
            | Field::Or(_)
            | Field::Compare { .. } => Type::Bool,
        }
    }
}

impl Scalar {
    pub fn of_type(&self) -> Type {
        match self {
            Scalar::Constant(value) => value.of_type(),
            Scalar::Aggregate { of: Some(field), .. } => field.of_type(),
            Scalar::Aggregate { of: None, .. } => Type::Int,
            Scalar::Operation { left, right, .. } => match left.of_type() {
                Type::Any => right.of_type(),
                known => known,
            },
        }
    }
}
