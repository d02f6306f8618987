//! What the agent has us do on the telephone's line.

use std::time::Duration;

use calls::call::{Input, LegEvent};
use calls::keys::Key;
use calls::transfer::TransferTarget;
use rooms::TransferRequest;

use super::{Hands, News};

impl Hands {
    /// What left us is no news; what did not is.
    pub(super) fn press_key(&self, key: Key) {
        let not_sent = |detail: &str| Input::Leg(LegEvent::KeyNotSent { detail: detail.to_owned() });
        let Some(room) = &self.room else { return self.tell(not_sent("the room is not joined")) };
        let (sent, news) = (room.press_key(key.as_char()), self.news.clone());
        tokio::spawn(async move {
            if !sent.await {
                let _ = news.send(News::Of(not_sent("the connection to the room takes no keys")));
            }
        });
    }

    pub(super) fn transfer(&self, to: TransferTarget, ring: Duration) {
        let Some(callee_identity) = self.callee.clone() else {
            let detail = "nobody is on the line".to_owned();
            return self.tell(Input::Leg(LegEvent::TransferFailed { sip_status: None, detail }));
        };
        let request = TransferRequest { room: self.job.room.clone(), callee_identity, to, ring };
        let livekit = self.livekit.clone();
        self.spawn(async move {
            Input::Leg(match livekit.transfer(&request).await {
                Ok(()) => LegEvent::TransferAccepted,
                Err(failure) => {
                    LegEvent::TransferFailed { sip_status: failure.sip_status, detail: failure.detail }
                }
            })
        });
    }
}
