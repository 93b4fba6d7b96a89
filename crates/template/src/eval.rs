//! Evaluating pipelines, commands, and what they are made of.

use crate::ast::{Command, Located, Number, Operand, OperandKind, Pipeline};
use crate::exec::{Done, Slot, State};
use crate::fields::Shape;
use crate::functions::{Body, Function, Kind};
use crate::limits::BYTES_A_STEP;
use crate::methods;
use crate::template::MissingKey;
use crate::value::{Element, Value};

/// What comes from the command before, as the last argument.
type Final<'a> = Option<Slot<'a>>;

impl<'a> State<'a, '_> {
    pub fn pipeline(&mut self, dot: &Slot<'a>, pipeline: &'a Pipeline) -> Done<Slot<'a>> {
        self.down()?;
        self.at(pipeline);
        let mut value: Final<'a> = None;
        for command in &pipeline.commands {
            let result = self.command(dot, command, value)?;
            value = Some(Slot::plain(result.value));
        }
        let value = value.unwrap_or(Slot::plain(Value::Nil));
        for name in &pipeline.declared {
            match pipeline.assigns {
                true => self.assign(name, value.clone())?,
                false => self.declare(name, value.clone()),
            }
        }
        self.up();
        Ok(value)
    }

    fn command(&mut self, dot: &Slot<'a>, command: &'a Command, last: Final<'a>) -> Done<Slot<'a>> {
        self.step(1)?;
        let Some((first, arguments)) = command.operands.split_first() else {
            return self.fail("empty command");
        };
        match &first.kind {
            OperandKind::Field(names) => {
                self.at(first);
                self.chain(dot, dot.clone(), first, names, arguments, last)
            }
            OperandKind::Chain { of, names } => {
                let receiver = self.chain_start(dot, first, of)?;
                self.chain(dot, receiver, first, names, arguments, last)
            }
            OperandKind::Function { name, function } => {
                self.at(first);
                self.function(dot, command, name, function, arguments, last)
            }
            OperandKind::Pipeline(pipeline) => {
                self.no_arguments(first, arguments, &last)?;
                self.pipeline(dot, pipeline)
            }
            OperandKind::Variable(names) => {
                self.at(first);
                let value = self.variable(&names[0])?;
                if names.len() == 1 {
                    self.no_arguments(first, arguments, &last)?;
                    return Ok(value);
                }
                self.chain(dot, value, first, &names[1..], arguments, last)
            }
            kind => {
                self.at(first);
                self.no_arguments(first, arguments, &last)?;
                match kind {
                    OperandKind::Bool(value) => Ok(Slot::plain(Value::Bool(*value))),
                    OperandKind::Dot => Ok(dot.clone()),
                    OperandKind::Number(number) => Ok(Slot::plain(ideal(number))),
                    OperandKind::String { text, .. } => Ok(Slot::plain(text.as_str().into())),
                    _ => self.fail("nil is not a command"),
                }
            }
        }
    }

    fn no_arguments(&self, first: &Operand, arguments: &[Operand], last: &Final<'a>) -> Done<()> {
        match arguments.is_empty() && last.is_none() {
            true => Ok(()),
            false => self.fail(format!("can't give argument to non-function {first}")),
        }
    }

    /// What the names of a chain are looked up in.
    fn chain_start(&mut self, dot: &Slot<'a>, chain: &'a Operand, of: &'a Operand) -> Done<Slot<'a>> {
        self.at(chain);
        if matches!(of.kind, OperandKind::Nil) {
            return self.fail(format!("indirection through explicit nil in {chain}"));
        }
        self.value(dot, of)
    }

    /// `.a.b.c arguments…`: only the last one can take arguments.
    fn chain(
        &mut self,
        dot: &Slot<'a>,
        mut receiver: Slot<'a>,
        node: &'a Operand,
        names: &'a [String],
        arguments: &'a [Operand],
        last: Final<'a>,
    ) -> Done<Slot<'a>> {
        let Some((name, before)) = names.split_last() else { return Ok(receiver) };
        for name in before {
            receiver = self.field(dot, receiver, node, name, &[], None)?;
        }
        self.field(dot, receiver, node, name, arguments, last)
    }

    fn field(
        &mut self,
        dot: &Slot<'a>,
        receiver: Slot<'a>,
        node: &'a Operand,
        name: &'a str,
        arguments: &'a [Operand],
        last: Final<'a>,
    ) -> Done<Slot<'a>> {
        let has_arguments = !arguments.is_empty() || last.is_some();
        match &receiver.value {
            Value::Nil if receiver.boxed => self.fail(format!("nil pointer evaluating interface {{}}.{name}")),
            Value::Nil if self.template.missing == MissingKey::Error => {
                self.fail(format!("nil data; no entry for key {}", trefoil_go::quote::quote(name)))
            }
            Value::Nil => Ok(Slot::plain(Value::Nil)),
            Value::Map(_) if has_arguments => self.fail(format!("{name} is not a method but has arguments")),
            Value::Map(map) => match map.entries.get(name) {
                Some(value) => Ok(Slot { value: value.clone(), boxed: map.of == Element::Any }),
                None => self.missing(name, map.of),
            },
            Value::Fields(fields) => {
                let shape = fields.shape();
                let boxed = shape == Shape::Values;
                if !has_arguments && let Some(value) = fields.get(name) {
                    return Ok(Slot { value, boxed });
                }
                let given = match has_arguments {
                    true => self.arguments(dot, name, &[], Some(Kind::Any), arguments, last)?,
                    false => Vec::new(),
                };
                self.at(node);
                if let Some(result) = fields.method(name, &given) {
                    let value = self.or_fail(result.map_err(|message| format!("error calling {name}: {message}")))?;
                    return Ok(Slot::plain(value));
                }
                match shape {
                    Shape::Structure(_) if fields.get(name).is_some() => {
                        self.fail(format!("{name} has arguments but cannot be invoked as function"))
                    }
                    Shape::Structure(_) => self.no_field(&receiver, name),
                    _ if has_arguments => self.fail(format!("{name} is not a method but has arguments")),
                    Shape::Texts => self.missing(name, Element::Text),
                    Shape::Values => self.missing(name, Element::Any),
                }
            }
            value => {
                let Some(method) = methods::find(value, name) else { return self.no_field(&receiver, name) };
                let given = self.arguments(dot, name, method.parameters, None, arguments, last)?;
                Ok(Slot::plain((method.apply)(value, &given)))
            }
        }
    }

    fn no_field<T>(&self, receiver: &Slot<'a>, name: &str) -> Done<T> {
        self.fail(format!("can't evaluate field {name} in type {}", receiver.type_name()))
    }

    /// What a map does not have.
    fn missing(&self, name: &str, of: Element) -> Done<Slot<'a>> {
        match self.template.missing {
            MissingKey::Invalid => Ok(Slot::plain(Value::Nil)),
            MissingKey::Zero => Ok(Slot { value: crate::functions::zero(of), boxed: of == Element::Any }),
            MissingKey::Error => self.fail(format!("map has no entry for key {}", trefoil_go::quote::quote(name))),
        }
    }

    /// `node`: what is said to be wrong if the function says that something is.
    fn function(
        &mut self,
        dot: &Slot<'a>,
        node: &'a dyn Located,
        name: &str,
        function: &'a Function,
        arguments: &'a [Operand],
        last: Final<'a>,
    ) -> Done<Slot<'a>> {
        let apply = match &function.body {
            Body::Apply(apply) => apply,
            short @ (Body::And | Body::Or) => {
                let until = matches!(short, Body::Or);
                return self.short_circuit(dot, name, until, arguments, last);
            }
        };
        let given = self.arguments(dot, name, &function.parameters, function.rest, arguments, last)?;
        let weight: u64 = given.iter().map(Value::weight).sum();
        self.step(1 + weight / BYTES_A_STEP)?;
        match apply(&self.call, &given) {
            Ok(value) => Ok(Slot::plain(value)),
            Err(message) => {
                self.at(node);
                self.fail(format!("error calling {name}: {message}"))
            }
        }
    }

    /// The first argument that decides, or the last one.
    fn short_circuit(
        &mut self,
        dot: &Slot<'a>,
        name: &str,
        until: bool,
        arguments: &'a [Operand],
        last: Final<'a>,
    ) -> Done<Slot<'a>> {
        if arguments.is_empty() && last.is_none() {
            return self.fail(format!("wrong number of args for {name}: want at least 1 got 0"));
        }
        let mut value = Slot::plain(Value::Nil);
        for argument in arguments {
            value = self.argument(dot, Kind::Any, argument)?;
            if value.value.is_true() == until {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    fn arguments(
        &mut self,
        dot: &Slot<'a>,
        name: &str,
        parameters: &[Kind],
        rest: Option<Kind>,
        arguments: &'a [Operand],
        last: Final<'a>,
    ) -> Done<Vec<Value<'a>>> {
        let count = arguments.len() + usize::from(last.is_some());
        let wanted = parameters.len();
        if rest.is_none() && count != wanted {
            return self.fail(format!("wrong number of args for {name}: want {wanted} got {count}"));
        }
        if count < wanted {
            let got = arguments.len();
            return self.fail(format!("wrong number of args for {name}: want at least {wanted} got {got}"));
        }
        let kind_of = |index: usize| parameters.get(index).copied().or(rest).unwrap_or(Kind::Any);
        let mut given = Vec::with_capacity(count);
        for (index, argument) in arguments.iter().enumerate() {
            given.push(self.argument(dot, kind_of(index), argument)?.value);
        }
        if let Some(last) = last {
            given.push(self.validated(last, kind_of(arguments.len()))?.value);
        }
        Ok(given)
    }

    /// Of the kind that is asked for.
    fn argument(&mut self, dot: &Slot<'a>, kind: Kind, argument: &'a Operand) -> Done<Slot<'a>> {
        self.at(argument);
        let value = match &argument.kind {
            OperandKind::Nil if kind == Kind::Any => return Ok(Slot::plain(Value::Nil)),
            OperandKind::Nil => return self.fail(format!("cannot assign nil to {}", kind.type_name())),
            OperandKind::Bool(_) | OperandKind::Number(_) | OperandKind::String { .. } => {
                return self.literal(kind, argument);
            }
            _ => self.value(dot, argument)?,
        };
        self.validated(value, kind)
    }

    fn literal(&self, kind: Kind, argument: &'a Operand) -> Done<Slot<'a>> {
        let value = match (kind, &argument.kind) {
            (Kind::Any | Kind::Bool, OperandKind::Bool(value)) => Value::Bool(*value),
            (Kind::Any | Kind::String, OperandKind::String { text, .. }) => text.as_str().into(),
            (Kind::Any, OperandKind::Number(number)) => ideal(number),
            (Kind::Int, OperandKind::Number(Number { integer: Some(integer), .. })) => Value::Int(*integer),
            (Kind::Duration, OperandKind::Number(Number { integer: Some(integer), .. })) => Value::Duration(*integer),
            (Kind::Float, OperandKind::Number(Number { float: Some(float), .. })) => Value::Float(*float),
            (Kind::Bool, _) => return self.fail(format!("expected bool; found {argument}")),
            (Kind::String, _) => return self.fail(format!("expected string; found {argument}")),
            (Kind::Int | Kind::Duration, _) => return self.fail(format!("expected integer; found {argument}")),
            (Kind::Float, _) => return self.fail(format!("expected float; found {argument}")),
            (kind, _) => {
                return self.fail(format!("can't handle {argument} for arg of type {}", kind.type_name()));
            }
        };
        Ok(Slot::plain(value))
    }

    /// What an operand is that is no literal of a kind that others ask for.
    fn value(&mut self, dot: &Slot<'a>, operand: &'a Operand) -> Done<Slot<'a>> {
        match &operand.kind {
            OperandKind::Dot => Ok(dot.clone()),
            OperandKind::Field(names) => {
                self.at(operand);
                self.chain(dot, dot.clone(), operand, names, &[], None)
            }
            OperandKind::Variable(names) => {
                self.at(operand);
                let value = self.variable(&names[0])?;
                self.chain(dot, value, operand, &names[1..], &[], None)
            }
            OperandKind::Pipeline(pipeline) => self.pipeline(dot, pipeline),
            OperandKind::Function { name, function } => {
                self.at(operand);
                self.function(dot, operand, name, function, &[], None)
            }
            OperandKind::Chain { of, names } => {
                let receiver = self.chain_start(dot, operand, of)?;
                self.chain(dot, receiver, operand, names, &[], None)
            }
            OperandKind::Nil => Ok(Slot::plain(Value::Nil)),
            OperandKind::Bool(_) | OperandKind::Number(_) | OperandKind::String { .. } => {
                self.literal(Kind::Any, operand)
            }
        }
    }

    fn validated(&self, slot: Slot<'a>, kind: Kind) -> Done<Slot<'a>> {
        if kind.takes(&slot.value) {
            return Ok(slot);
        }
        let expected = kind.type_name();
        match slot.value {
            Value::Nil if !slot.boxed => self.fail(format!("invalid value; expected {expected}")),
            Value::Nil => self.fail(format!("wrong type for value; expected {expected}; got interface {{}}")),
            value => self.fail(format!("wrong type for value; expected {expected}; got {}", value.type_name())),
        }
    }
}

/// What a number is where nothing says what it has to be.
fn ideal<'a>(number: &Number) -> Value<'a> {
    let text = &*number.text;
    let is_hexadecimal = text.len() > 2
        && text.starts_with('0')
        && matches!(text.as_bytes()[1], b'x' | b'X')
        && !text.contains(['p', 'P']);
    let is_float = !is_hexadecimal && !text.starts_with('\'') && text.contains(['.', 'e', 'E', 'p', 'P']);
    match (is_float, number.integer, number.float) {
        (false, Some(integer), _) => Value::Int(integer),
        (_, _, Some(float)) => Value::Float(float),
        _ => Value::Nil,
    }
}
