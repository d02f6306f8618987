//! What lets a session that was lost be joined anew.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::error::JoinError;
use crate::room::Token;

type Asked = Pin<Box<dyn Future<Output = Result<Token, JoinError>> + Send>>;

/// Asked before every try to join anew: gives a fresh token, or says why not. Clones ask the same.
///
/// A join makes a room that is not there: whoever wants that a room which was deleted meanwhile stays deleted looks
/// for it here.
#[derive(Clone)]
pub struct Rejoin {
    ask: Arc<dyn Fn() -> Asked + Send + Sync>,
}

impl Rejoin {
    /// `ask` may take its time, and is dropped where that is over. It is asked again after an error that
    /// [may be tried again](JoinError::may_be_tried_again); after any other the session ends.
    pub fn new<F, Asking>(ask: F) -> Self
    where
        F: Fn() -> Asking + Send + Sync + 'static,
        Asking: Future<Output = Result<Token, JoinError>> + Send + 'static,
    {
        Self { ask: Arc::new(move || Box::pin(ask())) }
    }

    pub(crate) async fn ask(&self) -> Result<Token, JoinError> {
        (self.ask)().await
    }
}

impl fmt::Debug for Rejoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rejoin")
    }
}
