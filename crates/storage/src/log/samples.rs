//! The payload of a record of metrics that is not simply the request: samples of known series, and a request of which some
//! points were refused.
//!
//! ```text
//! u32     number of refused points
//! [u32]   which, counted from 0 in the request's order
//!         samples of known series (`KnownSamples::write`)
//!         an ExportMetricsServiceRequest
//! ```
//!
//! Replay must not decide anew what the limits allow: they, and what is known of a series, may be others then.

use trefoil_model::samples::KnownSamples;

/// What was stored of a request of metrics.
pub fn write(refused_points: &[u32], samples: &KnownSamples, request: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(64 + 4 * refused_points.len() + samples.bytes() + request.len());
    payload.extend_from_slice(&(refused_points.len() as u32).to_le_bytes());
    refused_points.iter().for_each(|point| payload.extend_from_slice(&point.to_le_bytes()));
    samples.write(&mut payload);
    payload.extend_from_slice(request);
    payload
}

/// What [`write`] wrote: refused points, samples, request. `None` if it is anything else.
pub fn read(payload: &[u8]) -> Option<(Vec<u32>, KnownSamples, &[u8])> {
    let (count, rest) = payload.split_first_chunk()?;
    let count = u32::from_le_bytes(*count) as usize;
    let (refused, rest) = rest.split_at_checked(count.checked_mul(4)?)?;
    let refused = refused.as_chunks().0.iter().map(|point| u32::from_le_bytes(*point)).collect();
    let (samples, request) = KnownSamples::read(rest)?;
    Some((refused, samples, request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut samples = KnownSamples::default();
        let metric = samples.metric("up");
        samples.push(metric, 7, 1_000, 0, 1.0);
        let payload = write(&[3, 9], &samples, b"request");
        let (refused, read_samples, request) = read(&payload).unwrap();
        assert_eq!((refused, request), (vec![3, 9], b"request".as_slice()));
        assert!(read_samples.iter().eq(samples.iter()));
        assert!(read(&payload[..10]).is_none());
        assert!(read(&u32::MAX.to_le_bytes()).is_none());
    }
}
