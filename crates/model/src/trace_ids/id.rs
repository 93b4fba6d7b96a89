//! Ids as people write them.

/// 32 hexadecimal digits, or 16: those of 64 bits, as Zipkin's, have zeros in front. None of zeros only.
pub fn trace_id(text: &[u8]) -> Option<[u8; 16]> {
    let mut id = [0; 16];
    match text.len() {
        32 => digits(text, &mut id)?,
        16 => digits(text, &mut id[8..])?,
        _ => return None,
    }
    Some(id).filter(|id| *id != [0; 16])
}

/// 16 hexadecimal digits, not all of them zeros.
pub fn span_id(text: &[u8]) -> Option<[u8; 8]> {
    let mut id = [0; 8];
    if text.len() != 16 {
        return None;
    }
    digits(text, &mut id)?;
    Some(id).filter(|id| *id != [0; 8])
}

/// W3C's header: `00-<trace>-<span>-01`. <https://www.w3.org/TR/trace-context/#traceparent-header>
pub(super) fn trace_parent(text: &[u8]) -> Option<([u8; 16], [u8; 8])> {
    let mut parts = text.splitn(4, |byte| *byte == b'-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let flags = parts.next()?;
    if version.len() != 2 || trace.len() != 32 || flags.len() < 2 {
        return None;
    }
    Some((trace_id(trace)?, span_id(span)?))
}

fn digits(text: &[u8], id: &mut [u8]) -> Option<()> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(())
}
