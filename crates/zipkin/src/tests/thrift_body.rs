//! Bodies in thrift.

use thrift::protocol::{
    TBinaryOutputProtocol, TFieldIdentifier, TListIdentifier, TOutputProtocol, TStructIdentifier, TType,
};

/// A value of thrift.
#[derive(Debug, Clone)]
pub enum Thrift {
    Bool(bool),
    I16(i16),
    I32(i32),
    I64(i64),
    Bytes(Vec<u8>),
    Struct(Vec<(i16, Thrift)>),
    /// Of structs.
    List(Vec<Thrift>),
}

impl From<&str> for Thrift {
    fn from(text: &str) -> Self {
        Thrift::Bytes(text.into())
    }
}

/// The list as a body.
pub fn body(list: Vec<Thrift>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut TBinaryOutputProtocol::new(&mut bytes, false), &Thrift::List(list)).unwrap();
    bytes
}

fn write(protocol: &mut impl TOutputProtocol, value: &Thrift) -> thrift::Result<()> {
    match value {
        Thrift::Bool(flag) => protocol.write_bool(*flag),
        Thrift::I16(number) => protocol.write_i16(*number),
        Thrift::I32(number) => protocol.write_i32(*number),
        Thrift::I64(number) => protocol.write_i64(*number),
        Thrift::Bytes(bytes) => protocol.write_bytes(bytes),
        Thrift::Struct(fields) => {
            protocol.write_struct_begin(&TStructIdentifier::new(""))?;
            for (id, value) in fields {
                protocol.write_field_begin(&TFieldIdentifier::new("", kind(value), *id))?;
                write(protocol, value)?;
                protocol.write_field_end()?;
            }
            protocol.write_field_stop()?;
            protocol.write_struct_end()
        }
        Thrift::List(elements) => {
            protocol.write_list_begin(&TListIdentifier::new(TType::Struct, elements.len() as i32))?;
            elements.iter().try_for_each(|element| write(protocol, element))?;
            protocol.write_list_end()
        }
    }
}

fn kind(value: &Thrift) -> TType {
    match value {
        Thrift::Bool(_) => TType::Bool,
        Thrift::I16(_) => TType::I16,
        Thrift::I32(_) => TType::I32,
        Thrift::I64(_) => TType::I64,
        Thrift::Bytes(_) => TType::String,
        Thrift::Struct(_) => TType::Struct,
        Thrift::List(_) => TType::List,
    }
}

pub fn endpoint(name: &str, ipv4: i32, port: i16) -> Thrift {
    Thrift::Struct(vec![(1, Thrift::I32(ipv4)), (2, Thrift::I16(port)), (3, name.into())])
}

pub fn annotation(timestamp: i64, value: &str, host: Thrift) -> Thrift {
    Thrift::Struct(vec![(1, Thrift::I64(timestamp)), (2, value.into()), (3, host)])
}

pub fn binary_annotation(key: &str, value: &[u8], annotation_type: i32, host: Option<Thrift>) -> Thrift {
    let mut fields = vec![(1, key.into()), (2, Thrift::Bytes(value.to_vec())), (3, Thrift::I32(annotation_type))];
    fields.extend(host.map(|host| (4, host)));
    Thrift::Struct(fields)
}
