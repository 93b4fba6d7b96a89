//! Tokens become trees.

mod pipeline;

use std::collections::HashMap;
use std::sync::Arc;

use crate::ast::{Branch, Node, Source, Tree};
use crate::error::ParseError;
use crate::functions::Functions;
use crate::lexer::{self, Kind, Shadowed, Token};
use crate::limits::{DEEPEST_NESTING, LONGEST_TEMPLATE};

/// The templates that a text defines; the text itself is the one of this name.
pub(crate) fn parse(name: &str, text: &str, functions: &Functions) -> Result<Vec<Tree>, ParseError> {
    if text.len() > LONGEST_TEMPLATE {
        let message = format!("the template is longer than {LONGEST_TEMPLATE} bytes");
        return Err(ParseError { name: name.to_owned(), line: 1, message });
    }
    let shadowed = Shadowed { r#break: functions.has("break"), r#continue: functions.has("continue") };
    let mut parser = Parser {
        name,
        functions,
        tokens: lexer::tokens(text, shadowed),
        next: 0,
        furthest: 0,
        variables: vec!["$".to_owned()],
        ranges: 0,
        depth: 0,
        action_line: 0,
        trees: HashMap::new(),
    };
    let parsed = parser.text().and_then(|root| parser.add(name.to_owned(), root));
    if let Err(message) = parsed {
        let line = parser.tokens.get(parser.furthest).map_or(1, |token| token.line);
        return Err(ParseError { name: name.to_owned(), line, message });
    }
    let source = Arc::new(Source { name: name.to_owned(), text: text.to_owned() });
    let tree = |(name, root)| Tree { name, source: source.clone(), root };
    Ok(parser.trees.into_iter().map(tree).collect())
}

/// Whether nothing of it is ever written.
pub(crate) fn is_empty(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| matches!(node, Node::Text { text, .. } if text.trim().is_empty()))
}

struct Parser<'t> {
    name: &'t str,
    functions: &'t Functions,
    tokens: Vec<Token<'t>>,
    next: usize,
    /// The last token that was looked at: what is wrong is on its line.
    furthest: usize,
    variables: Vec<String>,
    /// How many loops are around.
    ranges: usize,
    depth: usize,
    /// Where the action began; 0: outside of one.
    action_line: usize,
    trees: HashMap<String, Vec<Node>>,
}

/// An error is a message; its line is that of the last token.
type Parsed<T> = Result<T, String>;

/// What ends a list of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    End,
    Else,
}

impl Stop {
    fn shown(self) -> &'static str {
        match self {
            Stop::End => "{{end}}",
            Stop::Else => "{{else}}",
        }
    }
}

enum Item {
    Node(Node),
    Stop(Stop),
    /// A definition or a comment.
    Nothing,
}

impl<'t> Parser<'t> {
    fn peek(&mut self) -> &Token<'t> {
        let at = self.next.min(self.tokens.len() - 1);
        self.furthest = self.furthest.max(at);
        &self.tokens[at]
    }

    fn kind(&mut self) -> Kind {
        self.peek().kind
    }

    fn take(&mut self) -> Token<'t> {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn skip_space(&mut self) {
        while self.kind() == Kind::Space {
            self.next += 1;
        }
    }

    fn take_beyond_space(&mut self) -> Token<'t> {
        self.skip_space();
        self.take()
    }

    fn kind_beyond_space(&mut self) -> Kind {
        self.skip_space();
        self.kind()
    }

    fn unexpected<T>(&self, token: &Token<'_>, context: &str) -> Parsed<T> {
        if token.kind != Kind::Error {
            return Err(format!("unexpected {} in {context}", token.shown()));
        }
        if self.action_line == 0 || self.action_line == token.line {
            return Err(token.text.clone().into_owned());
        }
        let within = if token.text.ends_with(" action") { "" } else { " in action" };
        Err(format!("{}{within} started at {}:{}", token.text, self.name, self.action_line))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token<'t>> {
        let token = self.take_beyond_space();
        if token.kind == kind { Ok(token) } else { self.unexpected(&token, context) }
    }

    /// The whole text.
    fn text(&mut self) -> Parsed<Vec<Node>> {
        let mut nodes = Vec::new();
        while self.kind() != Kind::EndOfText {
            match self.item()? {
                Item::Node(node) => nodes.push(node),
                Item::Nothing => {}
                Item::Stop(stop) => return Err(format!("unexpected {}", stop.shown())),
            }
        }
        Ok(nodes)
    }

    /// Definitions stand at the top only.
    fn item(&mut self) -> Parsed<Item> {
        if self.kind() == Kind::Open {
            let open = self.next;
            self.next += 1;
            if self.kind_beyond_space() == Kind::Define {
                self.next += 1;
                self.definition()?;
                return Ok(Item::Nothing);
            }
            self.next = open;
        }
        self.text_or_action()
    }

    fn definition(&mut self) -> Parsed<()> {
        let context = "define clause";
        let token = self.take_beyond_space();
        let name = self.template_name(&token, context)?;
        self.expect(Kind::Close, context)?;
        let nodes = self.apart(context)?;
        self.add(name, nodes)
    }

    /// The nodes of a template that stands in another one: it knows nothing of the other's variables and loops.
    fn apart(&mut self, context: &str) -> Parsed<Vec<Node>> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let ranges = std::mem::take(&mut self.ranges);
        let (nodes, stop) = self.nodes()?;
        if stop != Stop::End {
            return Err(format!("unexpected {} in {context}", stop.shown()));
        }
        (self.variables, self.ranges) = (variables, ranges);
        Ok(nodes)
    }

    fn add(&mut self, name: String, nodes: Vec<Node>) -> Parsed<()> {
        match self.trees.get(&name) {
            Some(known) if !is_empty(known) && !is_empty(&nodes) => {
                Err(format!("template: multiple definition of template {}", trefoil_go::quote::quote(&name)))
            }
            Some(known) if !is_empty(known) => Ok(()),
            _ => {
                self.trees.insert(name, nodes);
                Ok(())
            }
        }
    }

    /// Up to the end, or an `else`.
    fn nodes(&mut self) -> Parsed<(Vec<Node>, Stop)> {
        self.deeper()?;
        let mut nodes = Vec::new();
        while self.kind_beyond_space() != Kind::EndOfText {
            match self.text_or_action()? {
                Item::Node(node) => nodes.push(node),
                Item::Nothing => {}
                Item::Stop(stop) => {
                    self.depth -= 1;
                    return Ok((nodes, stop));
                }
            }
        }
        Err("unexpected EOF".to_owned())
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEEPEST_NESTING {
            return Err(format!("nested more than {DEEPEST_NESTING} levels deep"));
        }
        Ok(())
    }

    fn text_or_action(&mut self) -> Parsed<Item> {
        let token = self.take_beyond_space();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text { at: token.at, text: token.text.into_owned() })),
            Kind::Open => {
                self.action_line = token.line;
                let item = self.action()?;
                self.action_line = 0;
                Ok(item)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        self.skip_space();
        let at = self.peek().at;
        let node = match self.kind() {
            Kind::Else => {
                self.next += 1;
                // `else if` and `else with` go on in the same action.
                if !matches!(self.kind_beyond_space(), Kind::If | Kind::With) {
                    self.expect(Kind::Close, "else")?;
                }
                return Ok(Item::Stop(Stop::Else));
            }
            Kind::End => {
                self.next += 1;
                self.expect(Kind::Close, "end")?;
                return Ok(Item::Stop(Stop::End));
            }
            Kind::If => {
                self.next += 1;
                Node::If(self.branch("if")?)
            }
            Kind::With => {
                self.next += 1;
                Node::With(self.branch("with")?)
            }
            Kind::Range => {
                self.next += 1;
                Node::Range(self.branch("range")?)
            }
            Kind::Break => {
                self.leaving("{{break}}")?;
                Node::Break(at)
            }
            Kind::Continue => {
                self.leaving("{{continue}}")?;
                Node::Continue(at)
            }
            Kind::Template => {
                self.next += 1;
                self.template()?
            }
            Kind::Block => {
                self.next += 1;
                self.block()?
            }
            _ => Node::Action(self.pipeline("command", Kind::Close)?),
        };
        Ok(Item::Node(node))
    }

    fn leaving(&mut self, shown: &str) -> Parsed<()> {
        self.next += 1;
        self.expect(Kind::Close, shown)?;
        if self.ranges == 0 {
            return Err(format!("{shown} outside {{{{range}}}}"));
        }
        Ok(())
    }

    fn branch(&mut self, keyword: &str) -> Parsed<Branch> {
        let known = self.variables.len();
        let loops = usize::from(keyword == "range");
        let pipeline = self.pipeline(keyword, Kind::Close)?;
        self.ranges += loops;
        let (nodes, stop) = self.nodes()?;
        self.ranges -= loops;
        let otherwise = match stop {
            Stop::End => None,
            Stop::Else => Some(self.otherwise(keyword)?),
        };
        self.variables.truncate(known);
        Ok(Branch { pipeline, nodes, otherwise })
    }

    fn otherwise(&mut self, keyword: &str) -> Parsed<Vec<Node>> {
        let chained = match (keyword, self.kind()) {
            ("if", Kind::If) => Node::If,
            ("with", Kind::With) => Node::With,
            _ => {
                let (nodes, stop) = self.nodes()?;
                return match stop {
                    Stop::End => Ok(nodes),
                    Stop::Else => Err(format!("expected end; found {}", stop.shown())),
                };
            }
        };
        self.next += 1;
        self.deeper()?;
        let branch = self.branch(keyword)?;
        self.depth -= 1;
        Ok(vec![chained(branch)])
    }

    fn template(&mut self) -> Parsed<Node> {
        let context = "template clause";
        let token = self.take_beyond_space();
        let name = self.template_name(&token, context)?;
        if self.kind_beyond_space() == Kind::Close {
            self.next += 1;
            return Ok(Node::Template { at: token.at, name, pipeline: None });
        }
        let pipeline = Some(self.pipeline(context, Kind::Close)?);
        Ok(Node::Template { at: token.at, name, pipeline })
    }

    fn block(&mut self) -> Parsed<Node> {
        let context = "block clause";
        let token = self.take_beyond_space();
        let name = self.template_name(&token, context)?;
        let pipeline = self.pipeline(context, Kind::Close)?;
        let nodes = self.apart(context)?;
        self.add(name.clone(), nodes)?;
        Ok(Node::Template { at: token.at, name, pipeline: Some(pipeline) })
    }

    fn template_name(&self, token: &Token<'_>, context: &str) -> Parsed<String> {
        match token.kind {
            Kind::String => pipeline::unquoted(&token.text),
            _ => self.unexpected(token, context),
        }
    }
}
