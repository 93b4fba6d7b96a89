//! The text of a template, cut into tokens.

use std::borrow::Cow;

use trefoil_go::quote;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// `{{`
    Open,
    /// `}}`
    Close,
    Space,
    Identifier,
    /// `.name`
    Field,
    /// `$` or `$name`
    Variable,
    Bool,
    Number,
    Char,
    String,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    Pipe,
    LeftParenthesis,
    RightParenthesis,
    Comma,
    /// Any other character that can be seen.
    Other,
    Dot,
    Nil,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
    Error,
    EndOfText,
}

/// A part of the text; of an error, what is wrong.
#[derive(Debug, Clone)]
pub(crate) struct Token<'t> {
    pub kind: Kind,
    pub text: Cow<'t, str>,
    pub at: usize,
    /// Counted from one.
    pub line: usize,
}

impl Token<'_> {
    /// As errors show it.
    pub fn shown(&self) -> String {
        match self.kind {
            Kind::EndOfText => "EOF".to_owned(),
            Kind::Error => self.text.clone().into_owned(),
            Kind::Dot
            | Kind::Nil
            | Kind::Block
            | Kind::Break
            | Kind::Continue
            | Kind::Define
            | Kind::Else
            | Kind::End
            | Kind::If
            | Kind::Range
            | Kind::Template
            | Kind::With => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                let start: String = self.text.chars().take(10).collect();
                format!("{}...", quote::quote(&start))
            }
            _ => quote::quote(&self.text),
        }
    }
}

/// What people call functions can shadow these two keywords.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shadowed {
    pub r#break: bool,
    pub r#continue: bool,
}

/// All tokens; the last one is an error or the end.
pub(crate) fn tokens(text: &str, shadowed: Shadowed) -> Vec<Token<'_>> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new(), line: 1, counted: 0, shadowed };
    if let Err((at, message)) = lexer.run() {
        let line = lexer.line_of(at);
        lexer.tokens.push(Token { kind: Kind::Error, text: message.into(), at, line });
    }
    lexer.tokens
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    tokens: Vec<Token<'t>>,
    /// The line at `counted`.
    line: usize,
    counted: usize,
    shadowed: Shadowed,
}

/// Where and what.
type Wrong = (usize, String);

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

fn is_alphanumeric(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// `- ` behind the opening braces.
fn trims_left(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|rest| rest.starts_with(is_space))
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn line_of(&mut self, at: usize) -> usize {
        self.line += self.text[self.counted..at].matches('\n').count();
        self.counted = at;
        self.line
    }

    fn push(&mut self, kind: Kind, from: usize, to: usize) {
        let line = self.line_of(from);
        self.tokens.push(Token { kind, text: Cow::Borrowed(&self.text[from..to]), at: from, line });
    }

    fn run(&mut self) -> Result<(), Wrong> {
        loop {
            let start = self.at;
            let Some(length) = self.rest().find("{{") else {
                self.at = self.text.len();
                if start < self.at {
                    self.push(Kind::Text, start, self.at);
                }
                self.push(Kind::EndOfText, self.at, self.at);
                return Ok(());
            };
            let brace = start + length;
            let trims = trims_left(&self.text[brace + 2..]);
            let text = &self.text[start..brace];
            let kept = if trims { text.trim_end_matches(is_space).len() } else { text.len() };
            if kept > 0 {
                self.push(Kind::Text, start, start + kept);
            }
            // The marker is a dash and what is behind it.
            self.at = brace + 2 + if trims { 2 } else { 0 };
            if self.rest().starts_with("/*") {
                self.comment()?;
                continue;
            }
            self.push(Kind::Open, brace, brace + 2);
            self.action()?;
        }
    }

    fn comment(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        let length = self.text[start + 2..].find("*/").ok_or((start, "unclosed comment".to_owned()))?;
        self.at = start + 2 + length + 2;
        match self.closing() {
            Some(trims) => self.close(trims),
            None => return Err((start, "comment ends before closing delimiter".to_owned())),
        };
        Ok(())
    }

    /// Whether the action ends here, and if so, whether that trims what follows.
    fn closing(&self) -> Option<bool> {
        let rest = self.rest();
        if rest.starts_with("}}") {
            return Some(false);
        }
        let behind = rest.strip_prefix(is_space)?;
        behind.starts_with("-}}").then_some(true)
    }

    /// Goes behind the end of the action; where its braces are.
    fn close(&mut self, trims: bool) -> usize {
        let braces = self.at + if trims { 2 } else { 0 };
        self.at = braces + 2;
        if trims {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches(is_space).len();
        }
        braces
    }

    /// Up to the end of the action.
    fn action(&mut self) -> Result<(), Wrong> {
        let mut open = 0_usize;
        loop {
            let start = self.at;
            if let Some(trims) = self.closing() {
                if open > 0 {
                    return Err((start, "unclosed left paren".to_owned()));
                }
                let braces = self.close(trims);
                self.push(Kind::Close, braces, braces + 2);
                return Ok(());
            }
            let Some(character) = self.peek() else { return Err((start, "unclosed action".to_owned())) };
            let mut digits = self.rest().chars().skip(1);
            let number = match character {
                // At the end of the text it is taken for the start of one, too.
                '.' => digits.next().is_none_or(|next| next.is_ascii_digit()),
                '+' | '-' | '0'..='9' => true,
                _ => false,
            };
            if number {
                self.number()?;
                continue;
            }
            if is_alphanumeric(character) {
                self.word()?;
                continue;
            }
            let kind = match character {
                _ if is_space(character) => {
                    self.spaces();
                    continue;
                }
                '"' => {
                    self.quoted('"', "unterminated quoted string")?;
                    Kind::String
                }
                '\'' => {
                    self.quoted('\'', "unterminated character constant")?;
                    Kind::Char
                }
                '`' => {
                    let end = self.text[start + 1..].find('`');
                    let end = end.ok_or((start, "unterminated raw quoted string".to_owned()))?;
                    self.at = start + 1 + end + 1;
                    Kind::String
                }
                '$' => self.name(Kind::Variable, Kind::Variable)?,
                '.' => self.name(Kind::Field, Kind::Dot)?,
                ':' if self.rest().starts_with(":=") => {
                    self.at += 2;
                    Kind::Declare
                }
                ':' => return Err((start, "expected :=".to_owned())),
                ')' if open == 0 => return Err((start, "unexpected right paren".to_owned())),
                ' '..='~' => {
                    self.at += 1;
                    match character {
                        '=' => Kind::Assign,
                        '|' => Kind::Pipe,
                        ',' => Kind::Comma,
                        '(' => {
                            open += 1;
                            Kind::LeftParenthesis
                        }
                        ')' => {
                            open -= 1;
                            Kind::RightParenthesis
                        }
                        _ => Kind::Other,
                    }
                }
                other => {
                    let shown = quote::code_point(other);
                    return Err((start, format!("unrecognized character in action: {shown}")));
                }
            };
            self.push(kind, start, self.at);
        }
    }

    /// The last one may belong to the end of the action.
    fn spaces(&mut self) {
        let start = self.at;
        while self.closing().is_none() && self.peek().is_some_and(is_space) {
            self.at += 1;
        }
        self.push(Kind::Space, start, self.at);
    }

    /// Behind the closing quote.
    fn quoted(&mut self, quote: char, unterminated: &str) -> Result<(), Wrong> {
        let start = self.at;
        let mut characters = self.text[start + 1..].char_indices();
        while let Some((at, character)) = characters.next() {
            let escaped = character == '\\';
            if character == quote {
                self.at = start + 1 + at + 1;
                return Ok(());
            }
            if character == '\n' || (escaped && matches!(characters.next(), None | Some((_, '\n')))) {
                break;
            }
        }
        Err((start, unterminated.to_owned()))
    }

    /// A dot or a dollar and letters behind it, or none.
    fn name(&mut self, named: Kind, alone: Kind) -> Result<Kind, Wrong> {
        let start = self.at;
        self.at += 1;
        if self.at_terminator() {
            return Ok(alone);
        }
        self.letters(start)?;
        Ok(named)
    }

    fn letters(&mut self, start: usize) -> Result<(), Wrong> {
        let rest = self.rest();
        self.at += rest.find(|next| !is_alphanumeric(next)).unwrap_or(rest.len());
        match self.peek() {
            Some(character) if !self.at_terminator() => {
                Err((start, format!("bad character {}", quote::code_point(character))))
            }
            _ => Ok(()),
        }
    }

    fn at_terminator(&self) -> bool {
        let rest = self.rest();
        match rest.chars().next() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(character) => is_space(character) || rest.starts_with("}}"),
        }
    }

    fn word(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        self.letters(start)?;
        let kind = match &self.text[start..self.at] {
            "true" | "false" => Kind::Bool,
            "nil" => Kind::Nil,
            "block" => Kind::Block,
            "break" if !self.shadowed.r#break => Kind::Break,
            "continue" if !self.shadowed.r#continue => Kind::Continue,
            "define" => Kind::Define,
            "else" => Kind::Else,
            "end" => Kind::End,
            "if" => Kind::If,
            "range" => Kind::Range,
            "template" => Kind::Template,
            "with" => Kind::With,
            _ => Kind::Identifier,
        };
        self.push(kind, start, self.at);
        Ok(())
    }

    fn number(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        let rest = self.rest();
        let length = crate::number::length(rest);
        self.at += length;
        if let Some(character) = self.peek().filter(|next| is_alphanumeric(*next)) {
            let shown = quote::quote(&rest[..length + character.len_utf8()]);
            return Err((start, format!("bad number syntax: {shown}")));
        }
        // `1+2i` is one, and what looks like it and is not that is wrong.
        if self.peek().is_some_and(|sign| matches!(sign, '+' | '-')) {
            self.at += crate::number::length(self.rest());
            let wrong = self.peek().filter(|next| is_alphanumeric(*next));
            self.at += wrong.map_or(0, char::len_utf8);
            let shown = quote::quote(&self.text[start..self.at]);
            return Err((start, format!("bad number syntax: {shown}")));
        }
        self.push(Kind::Number, start, self.at);
        Ok(())
    }
}
