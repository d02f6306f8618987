//! Outbound trunks, looked at.

use calls::secret::Secret;
use livekit_api::access_token::SIPGrants;
use livekit_protocol::{ListSipOutboundTrunkRequest, ListSipOutboundTrunkResponse};
use prost::Message as _;

use crate::rooms::REQUEST_LIMIT;
use crate::{Livekit, RoomsError};

/// An outbound trunk as LiveKit knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// Its name there.
    pub name: String,
    /// Where its INVITEs go.
    pub address: String,
    /// The numbers that it may show as caller, E.164; `*` is any.
    pub numbers: Vec<String>,
}

impl Trunk {
    /// May calls over it show this number? (LiveKit: a trunk's numbers are what it calls from.)
    pub fn shows(&self, number: &str) -> bool {
        self.numbers.iter().any(|own| own == "*" || own == number)
    }
}

impl Livekit {
    /// The outbound trunk of this id (`ST_…`), `None` if the project has none. Changes nothing.
    ///
    /// # Errors
    /// LiveKit cannot be reached, or refuses our key.
    pub async fn outbound_trunk(&self, trunk_id: &str) -> Result<Option<Trunk>, RoomsError> {
        // All of them: asked for one by its id, the server answers a missing one with an empty item.
        let request = ListSipOutboundTrunkRequest::default();
        let token: Secret = self.sip_token(SIPGrants { admin: true, ..SIPGrants::default() })?;
        let reply: ListSipOutboundTrunkResponse = self
            .twirp("SIP/ListSIPOutboundTrunk", request.encode_to_vec(), &token, None, REQUEST_LIMIT)
            .await?;
        let found = reply.items.into_iter().find(|trunk| trunk.sip_trunk_id == trunk_id);
        Ok(found.map(|trunk| Trunk { name: trunk.name, address: trunk.address, numbers: trunk.numbers }))
    }
}
