//! Streams, read where they lie.

use std::borrow::Cow;

use trefoil_model::wire::{Reader, WireError};

use super::field;
use crate::labels::{Labels, of_stream, unreadable};
use crate::times::Time;
use crate::to_otlp::{Incoming, Writer};

pub(crate) fn read<'b>(body: &'b [u8], writer: &mut Writer<'_, 'b>) -> Result<(), WireError> {
    for member in Reader::new(body) {
        let member = member?;
        if member.number == field::request::STREAMS {
            stream(member.message()?, writer)?;
        }
    }
    Ok(())
}

fn stream<'b>(message: Reader<'b>, writer: &mut Writer<'_, 'b>) -> Result<(), WireError> {
    // They need not stand before the entries.
    let mut text: &[u8] = &[];
    for member in message {
        let member = member?;
        if member.number == field::stream::LABELS {
            text = member.bytes()?;
        }
    }
    writer.begin(labels(text));
    let mut metadata = Vec::new();
    for member in message {
        let member = member?;
        if member.number == field::stream::ENTRIES {
            let (time, line) = entry(member.message()?, &mut metadata)?;
            writer.entry(Ok(Incoming { time, line, metadata: &metadata }));
        }
    }
    writer.end();
    Ok(())
}

fn labels(text: &[u8]) -> Result<Labels<'_>, String> {
    match std::str::from_utf8(text) {
        Ok(text) => of_stream(text),
        Err(error) => Err(unreadable(&String::from_utf8_lossy(text), &error)),
    }
}

/// The time, the line, and in `metadata` what else there is.
fn entry<'b>(
    message: Reader<'b>,
    metadata: &mut Vec<(Cow<'b, str>, Cow<'b, str>)>,
) -> Result<(Time, &'b [u8]), WireError> {
    let (mut time, mut line): (Time, &[u8]) = (Time(0), &[]);
    metadata.clear();
    for member in message {
        let member = member?;
        match member.number {
            field::entry::TIMESTAMP => time = timestamp(member.message()?)?,
            field::entry::LINE => line = member.bytes()?,
            field::entry::STRUCTURED_METADATA => metadata.push(pair(member.message()?)?),
            _ => {}
        }
    }
    Ok((time, line))
}

fn timestamp(message: Reader<'_>) -> Result<Time, WireError> {
    let (mut seconds, mut nanos) = (0, 0);
    for member in message {
        let member = member?;
        match member.number {
            field::timestamp::SECONDS => seconds = member.int64()?,
            field::timestamp::NANOS => nanos = member.int32()?,
            _ => {}
        }
    }
    Ok(Time::new(seconds, nanos))
}

fn pair(message: Reader<'_>) -> Result<(Cow<'_, str>, Cow<'_, str>), WireError> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    for member in message {
        let member = member?;
        match member.number {
            field::pair::NAME => name = member.bytes()?,
            field::pair::VALUE => value = member.bytes()?,
            _ => {}
        }
    }
    Ok((String::from_utf8_lossy(name), String::from_utf8_lossy(value)))
}
