//! What starts an attempt.

use calls::ids::AttemptId;
use cloud::launch::Launcher;

/// Starts attempts: as tasks on ECS, or in the process that has the message in hand.
pub trait Launch {
    /// Starts this attempt and returns what carries it, as ECS or the host calls it. Where nothing but the message
    /// itself would bring the attempt back, this returns only when it is answered or over.
    ///
    /// # Errors
    /// A sentence. All of them mean "try again": nothing was dialed, as far as is known.
    fn launch(&self, attempt: &AttemptId) -> impl Future<Output = Result<String, String>> + Send;
}

impl Launch for Launcher {
    async fn launch(&self, attempt: &AttemptId) -> Result<String, String> {
        Launcher::launch(self, attempt).await
    }
}
