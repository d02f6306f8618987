//! News that comes even if the task that should bring it breaks.

use calls::call::Input;
use tokio::sync::mpsc;

use crate::perform::News;

/// What is told when this is dropped. A task that panics drops what it holds; whoever waits for its news
/// would otherwise wait for good, with a person on the line.
pub struct LastWord {
    news: mpsc::UnboundedSender<News>,
    input: Option<Input>,
}

impl LastWord {
    /// `broken` is told if nothing else is decided.
    pub fn new(news: &mpsc::UnboundedSender<News>, broken: Input) -> Self {
        Self { news: news.clone(), input: Some(broken) }
    }

    /// Tells this instead, now.
    pub fn say(mut self, input: Input) {
        self.input = Some(input);
    }

    /// Tells nothing: all was said.
    pub fn withdraw(mut self) {
        self.input = None;
    }
}

impl Drop for LastWord {
    fn drop(&mut self) {
        if let Some(input) = self.input.take() {
            // A receiver that is gone has ended the call already.
            let _ = self.news.send(News::Of(input));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_heard_of() {
        let (news, mut inbox) = mpsc::unbounded_channel();
        let word = LastWord::new(&news, Input::Tick);
        let task = tokio::spawn(async move {
            let _word = word;
            panic!("on purpose");
        });
        assert!(task.await.unwrap_err().is_panic());
        assert!(matches!(inbox.recv().await, Some(News::Of(Input::Tick))));
    }

    #[test]
    fn a_task_that_ends_in_order_says_what_it_will_once() {
        let (news, mut inbox) = mpsc::unbounded_channel();
        LastWord::new(&news, Input::Tick).say(Input::Drain);
        LastWord::new(&news, Input::Tick).withdraw();
        assert!(matches!(inbox.try_recv(), Ok(News::Of(Input::Drain))));
        assert!(inbox.try_recv().is_err());
    }
}
