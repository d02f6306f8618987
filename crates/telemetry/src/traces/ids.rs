//! Ids of traces and spans. They follow from the attempt, so that no process needs another's word for them.

use calls::ids::AttemptId;
use opentelemetry::trace::{SpanId, TraceId};
use uuid::Uuid;

/// The message attribute, and the HTTP header, that says whose trace it is (W3C Trace Context).
pub const TRACEPARENT: &str = "traceparent";

/// The namespace of our spans (RFC 9562 §5.5): any constant does, as long as it never changes.
const NAMESPACE: Uuid = Uuid::from_u128(0x2b8d_41c7_5a0f_4e66_9c1d_7be2_0a94_d3f1);

/// Which trace an attempt is in, and behind which span of upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace: TraceId,
    upstream: SpanId,
}

impl TraceParent {
    /// Upstream's, as the message has it; where that is none, or says nothing that could be understood, the call's own.
    pub(super) fn of(attempt: &AttemptId, upstream: Option<&str>) -> Self {
        upstream.and_then(Self::read).unwrap_or_else(|| Self {
            trace: TraceId::from_hex(attempt.key.as_str()).unwrap_or(TraceId::INVALID),
            upstream: SpanId::INVALID,
        })
    }

    /// `00-<trace>-<parent>-<flags>` (W3C Trace Context §3.2.2); later versions may have more behind that.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace, parent) = (parts.next()?, parts.next()?, parts.next()?);
        let is_hex =
            |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !(is_hex(version, 2) && version != "ff" && is_hex(trace, 32) && is_hex(parent, 16)) {
            return None;
        }
        let (trace, upstream) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(parent).ok()?);
        (trace != TraceId::INVALID && upstream != SpanId::INVALID).then_some(Self { trace, upstream })
    }

    pub(super) const fn trace(&self) -> TraceId {
        self.trace
    }

    pub(super) const fn upstream(&self) -> SpanId {
        self.upstream
    }

    /// The header of what is done within `span`.
    pub(super) fn header(&self, span: SpanId) -> String {
        format!("00-{:032x}-{span:016x}-01", self.trace)
    }
}

/// The span of a part of an attempt, the `nth` of it.
pub(super) fn span(attempt: &AttemptId, part: &str, nth: usize) -> SpanId {
    let id = Uuid::new_v5(&NAMESPACE, format!("{attempt}/{part}/{nth}").as_bytes());
    let (high, _) = id.as_u64_pair();
    SpanId::from_bytes(high.max(1).to_be_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn attempt() -> AttemptId {
        "0123456789abcdef0123456789abcdef-a1".parse().unwrap()
    }

    #[test]
    fn a_call_is_in_upstreams_trace_or_in_its_own() {
        let own = TraceParent::of(&attempt(), None);
        assert_eq!(
            own.header(SpanId::from_bytes([0xab; 8])),
            "00-0123456789abcdef0123456789abcdef-abababababababab-01"
        );
        let upstreams = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let read = TraceParent::of(&attempt(), Some(upstreams));
        assert_eq!(read.header(read.upstream()), upstreams);
        for nonsense in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473ß-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::of(&attempt(), Some(nonsense)), own, "{nonsense}");
        }
    }

    #[test]
    fn spans_of_an_attempt_are_its_own() {
        let second: AttemptId = "0123456789abcdef0123456789abcdef-a2".parse().unwrap();
        assert_eq!(span(&attempt(), "call", 0), span(&attempt(), "call", 0));
        assert_ne!(span(&attempt(), "call", 0), span(&second, "call", 0));
        assert_ne!(span(&attempt(), "call", 0), span(&attempt(), "call", 1));
    }
}
