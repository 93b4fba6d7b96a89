//! What a query says, after parsing and type checking.

use crate::error::Position;
use crate::functions::Function;
use crate::matcher::Matcher;

/// The type of an expression's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    Scalar,
    String,
    /// An instant vector.
    Vector,
    /// A range vector.
    Matrix,
}

#[derive(Debug, Clone)]
pub enum Expr {
    Number(NumberLiteral),
    String(StringLiteral),
    Vector(VectorSelector),
    Matrix(MatrixSelector),
    Subquery(Subquery),
    Call(Call),
    Aggregate(Aggregate),
    Binary(Binary),
    Unary(Unary),
    Paren(Paren),
}

#[derive(Debug, Clone)]
pub struct NumberLiteral {
    pub value: f64,
    /// Written as a duration (`5m`), which printing keeps.
    pub is_duration: bool,
    pub position: Position,
}

#[derive(Debug, Clone)]
pub struct StringLiteral {
    pub value: String,
    pub position: Position,
}

#[derive(Debug, Clone)]
pub struct VectorSelector {
    /// The metric name before the braces. It is among the matchers, too. A name inside the braces (`{"my.metric"}`) is
    /// there only.
    pub name: Option<String>,
    /// Prometheus' order: those in braces as written, that of the name last.
    pub matchers: Vec<Matcher>,
    pub offset: Option<Duration>,
    pub at: Option<At>,
    /// `anchored` or `smoothed` behind the selector.
    pub extension: Option<Extension>,
    pub position: Position,
}

/// How a range selector looks beyond its edges (Prometheus' extended range selectors).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    Anchored,
    Smoothed,
}

#[derive(Debug, Clone)]
pub struct MatrixSelector {
    /// Carries `offset`, `@` and the extension.
    pub selector: VectorSelector,
    pub range: Duration,
    pub position: Position,
}

#[derive(Debug, Clone)]
pub struct Subquery {
    pub expr: Box<Expr>,
    pub range: Duration,
    /// `None`: the engine's default evaluation interval.
    pub step: Option<Duration>,
    pub offset: Option<Duration>,
    pub at: Option<At>,
    pub position: Position,
}

/// The `@` modifier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum At {
    /// Milliseconds since the epoch.
    Time(i64),
    Start,
    End,
}

/// A length of time, which may be computed from the query's step and range.
#[derive(Debug, Clone)]
pub enum Duration {
    /// Milliseconds, negative only in offsets.
    Millis(i64),
    Computed(Box<DurationExpr>),
}

/// Duration arithmetic, in seconds.
#[derive(Debug, Clone)]
pub enum DurationExpr {
    /// A number or a duration literal.
    Number(NumberLiteral),
    /// `step()`: of the query; of an instant query 0.
    Step(Position),
    /// `range()`: end minus start of the query.
    Range(Position),
    Min(Box<DurationExpr>, Box<DurationExpr>),
    Max(Box<DurationExpr>, Box<DurationExpr>),
    /// The sign is `Add` or `Sub`.
    Sign(BinaryOp, Box<DurationExpr>, Position),
    /// `+ - * / % ^`.
    Binary(BinaryOp, Box<DurationExpr>, Box<DurationExpr>, Position),
    Paren(Box<DurationExpr>),
}

#[derive(Debug, Clone)]
pub struct Call {
    pub function: &'static Function,
    pub args: Vec<Expr>,
    pub position: Position,
}

#[derive(Debug, Clone)]
pub struct Aggregate {
    pub op: AggregateOp,
    pub expr: Box<Expr>,
    /// Of `topk`, `bottomk`, `quantile`, `count_values`, `limitk`, `limit_ratio`.
    pub param: Option<Box<Expr>>,
    pub grouping: Vec<String>,
    /// `without (…)` instead of `by (…)`.
    pub without: bool,
    pub position: Position,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AggregateOp {
    Avg,
    Bottomk,
    Count,
    CountValues,
    Group,
    LimitRatio,
    Limitk,
    Max,
    Min,
    Quantile,
    Stddev,
    Stdvar,
    Sum,
    Topk,
}

impl AggregateOp {
    pub const ALL: [(&'static str, AggregateOp); 14] = [
        ("avg", AggregateOp::Avg),
        ("bottomk", AggregateOp::Bottomk),
        ("count", AggregateOp::Count),
        ("count_values", AggregateOp::CountValues),
        ("group", AggregateOp::Group),
        ("limit_ratio", AggregateOp::LimitRatio),
        ("limitk", AggregateOp::Limitk),
        ("max", AggregateOp::Max),
        ("min", AggregateOp::Min),
        ("quantile", AggregateOp::Quantile),
        ("stddev", AggregateOp::Stddev),
        ("stdvar", AggregateOp::Stdvar),
        ("sum", AggregateOp::Sum),
        ("topk", AggregateOp::Topk),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, op)| *op == self).map_or("", |(name, _)| name)
    }

    pub fn has_param(self) -> bool {
        use AggregateOp::*;
        matches!(self, Bottomk | CountValues | LimitRatio | Limitk | Quantile | Topk)
    }

    pub fn is_experimental(self) -> bool {
        matches!(self, AggregateOp::LimitRatio | AggregateOp::Limitk)
    }
}

#[derive(Debug, Clone)]
pub struct Binary {
    pub op: BinaryOp,
    pub lhs: Box<Expr>,
    pub rhs: Box<Expr>,
    /// Between two vectors.
    pub matching: Option<VectorMatching>,
    /// `bool` behind a comparison.
    pub return_bool: bool,
    pub position: Position,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    /// `</`: cuts a histogram's upper part off.
    TrimUpper,
    /// `>/`: cuts a histogram's lower part off.
    TrimLower,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    pub fn symbol(self) -> &'static str {
        use BinaryOp::*;
        match self {
            Add => "+",
            Sub => "-",
            Mul => "*",
            Div => "/",
            Mod => "%",
            Pow => "^",
            Atan2 => "atan2",
            Eq => "==",
            Ne => "!=",
            Gt => ">",
            Lt => "<",
            Ge => ">=",
            Le => "<=",
            TrimUpper => "</",
            TrimLower => ">/",
            And => "and",
            Or => "or",
            Unless => "unless",
        }
    }

    pub fn is_comparison(self) -> bool {
        use BinaryOp::*;
        matches!(self, Eq | Ne | Gt | Lt | Ge | Le)
    }

    pub fn is_set(self) -> bool {
        matches!(self, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct VectorMatching {
    pub cardinality: Cardinality,
    /// Of `on (…)` and `ignoring (…)`.
    pub labels: Vec<String>,
    /// `on` instead of `ignoring`.
    pub on: bool,
    /// Labels that `group_left` and `group_right` take from the "one" side.
    pub include: Vec<String>,
    /// What stands in for a missing partner (`fill`, `fill_left`, `fill_right`).
    pub fill_left: Option<f64>,
    pub fill_right: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cardinality {
    OneToOne,
    /// `group_left`.
    ManyToOne,
    /// `group_right`.
    OneToMany,
    /// Set operators.
    ManyToMany,
}

#[derive(Debug, Clone)]
pub struct Unary {
    /// `Add` or `Sub`.
    pub op: BinaryOp,
    pub expr: Box<Expr>,
    pub position: Position,
}

#[derive(Debug, Clone)]
pub struct Paren {
    pub expr: Box<Expr>,
    pub position: Position,
}

impl Expr {
    pub fn position(&self) -> Position {
        match self {
            Expr::Number(expr) => expr.position,
            Expr::String(expr) => expr.position,
            Expr::Vector(expr) => expr.position,
            Expr::Matrix(expr) => expr.position,
            Expr::Subquery(expr) => expr.position,
            Expr::Call(expr) => expr.position,
            Expr::Aggregate(expr) => expr.position,
            Expr::Binary(expr) => expr.position,
            Expr::Unary(expr) => expr.position,
            Expr::Paren(expr) => expr.position,
        }
    }

    pub fn value_type(&self) -> ValueType {
        match self {
            Expr::Number(_) => ValueType::Scalar,
            Expr::String(_) => ValueType::String,
            Expr::Vector(_) | Expr::Aggregate(_) => ValueType::Vector,
            Expr::Matrix(_) | Expr::Subquery(_) => ValueType::Matrix,
            Expr::Call(call) => call.function.returns,
            Expr::Binary(binary) => match (binary.lhs.value_type(), binary.rhs.value_type()) {
                (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
                _ => ValueType::Vector,
            },
            Expr::Unary(unary) => unary.expr.value_type(),
            Expr::Paren(paren) => paren.expr.value_type(),
        }
    }

    /// Without the parentheses around it.
    pub fn unwrapped(&self) -> &Expr {
        match self {
            Expr::Paren(paren) => paren.expr.unwrapped(),
            other => other,
        }
    }
}
