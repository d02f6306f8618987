//! The last look at the clock before a dial leaves.
//!
//! Between the decision to send and the first byte lie a name, a connection and a TLS handshake: time in
//! which a process can be stopped, and be woken after the permission to ring has run out. So the clock
//! is looked at when the connection stands and the HTTP library asks for the body. What is refused then has
//! never been a request: without its body the server does nothing.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use prost::bytes::Bytes;

/// It was too late when the connection stood.
#[derive(Debug)]
pub(crate) struct TooLate;

impl fmt::Display for TooLate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the permission to ring ran out before the dial could leave")
    }
}

impl std::error::Error for TooLate {}

/// The bytes of a request, given out once and only while `may_leave` says so.
pub(crate) struct LastLook<F> {
    bytes: Option<Bytes>,
    may_leave: F,
}

impl<F: Fn() -> bool + Send + Sync + Unpin + 'static> LastLook<F> {
    /// As the body of a request.
    pub(crate) fn body(bytes: Vec<u8>, may_leave: F) -> reqwest::Body {
        reqwest::Body::wrap(Self { bytes: Some(bytes.into()), may_leave })
    }
}

impl<F: Fn() -> bool + Unpin> Body for LastLook<F> {
    type Data = Bytes;
    type Error = TooLate;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TooLate>>> {
        let Some(bytes) = self.bytes.take() else { return Poll::Ready(None) };
        Poll::Ready(Some(if (self.may_leave)() { Ok(Frame::data(bytes)) } else { Err(TooLate) }))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    /// Exact, so that the request has a length and none of it can be taken for the whole.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
