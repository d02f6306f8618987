//! Rooms: looked at, deleted. Joining one makes it. Deleting a room is what ends a phone's leg for sure.

use std::time::Duration;

use livekit_api::access_token::VideoGrants;
use livekit_protocol::{
    CreateRoomRequest, DeleteRoomRequest, DeleteRoomResponse, ListRoomsRequest, RemoveParticipantResponse,
    RoomParticipantIdentity,
};

use crate::twirp::TwirpError;
use crate::{Livekit, TokenError};

/// One request to the room service may take this long.
pub(crate) const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// The first pause before a deletion is tried again; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// What a server says of a room that it carries but does not find: it asks its Redis where, which has come back empty.
/// (livekit-server 1.13.5, `routing.ErrNotFound`.)
const NOWHERE: &str = "could not find object";

/// Why a room service request has no result. The same answers as in an outcome's `reason`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoomsError {
    /// LiveKit could not be reached, or its answer was lost. May be tried again.
    #[error("LiveKit cannot be reached: {detail}")]
    Unreachable {
        /// One sentence.
        detail: String,
    },
    /// LiveKit refused our API key or secret. A person has to mend that.
    #[error("LiveKit refused the API key or secret")]
    Auth,
    /// LiveKit answered with another error.
    #[error("LiveKit says {code}: {message}")]
    Other {
        /// The Twirp error code.
        code: String,
        /// The server's sentence.
        message: String,
    },
}

/// A room as LiveKit lists it: of `livekit.Room` what is of use here, so that a list of thousands stays small.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Room {
    /// Its name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Its metadata; empty if it has none.
    #[prost(string, tag = "8")]
    pub metadata: String,
}

/// `livekit.ListRoomsResponse`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct RoomList {
    #[prost(message, repeated, tag = "1")]
    pub(crate) rooms: Vec<Room>,
}

impl Livekit {
    /// Deletes a room and with it every leg in it: a phone there gets BYE, or CANCEL while it rings.
    /// A room that is not there is fine. Tried again, with growing pauses, until it is gone or
    /// `within` is over: a room that stays is a phone call that goes on.
    ///
    /// # Errors
    /// The last answer. [`RoomsError::Auth`] is not tried again.
    pub async fn delete_room(&self, room: &str, within: Duration) -> Result<(), RoomsError> {
        let mut last = RoomsError::Unreachable { detail: "the time was over before an answer".to_owned() };
        let tries = async {
            let mut pause = FIRST_PAUSE;
            loop {
                match self.delete_room_once(room).await {
                    Err(error @ RoomsError::Auth) => return Err(error),
                    Err(error) => last = error,
                    Ok(()) => return Ok(()),
                }
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        };
        match tokio::time::timeout(within, tries).await {
            Ok(done) => done,
            Err(_) => Err(last),
        }
    }

    async fn delete_room_once(&self, room: &str) -> Result<(), RoomsError> {
        match self.ask_to_delete(room).await {
            Err(RoomsError::Other { code, .. }) if code == "not_found" => Ok(()),
            // Who creates a room that is there has it written down again where it is.
            Err(RoomsError::Other { message, .. }) if message == NOWHERE => {
                let request = CreateRoomRequest { name: room.to_owned(), ..CreateRoomRequest::default() };
                let _: Room = self.ask("RoomService/CreateRoom", &request, may_create()).await?;
                self.ask_to_delete(room).await
            }
            answer => answer,
        }
    }

    async fn ask_to_delete(&self, room: &str) -> Result<(), RoomsError> {
        let request = DeleteRoomRequest { room: room.to_owned() };
        self.ask::<DeleteRoomResponse>("RoomService/DeleteRoom", &request, may_create()).await.map(drop)
    }

    /// Takes a participant out of a room: a phone's leg gets BYE, or CANCEL while it rings. `false`: it is not there.
    ///
    /// # Errors
    /// LiveKit cannot be reached, or refuses.
    pub async fn remove_participant(&self, room: &str, identity: &str) -> Result<bool, RoomsError> {
        let request = RoomParticipantIdentity {
            room: room.to_owned(),
            identity: identity.to_owned(),
            ..RoomParticipantIdentity::default()
        };
        let grants = VideoGrants { room_admin: true, room: room.to_owned(), ..VideoGrants::default() };
        match self.ask::<RemoveParticipantResponse>("RoomService/RemoveParticipant", &request, grants).await {
            Ok(_) => Ok(true),
            Err(RoomsError::Other { code, .. }) if code == "not_found" => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The metadata of a room as it stands there, `None` if there is no such room.
    pub async fn room_metadata(&self, room: &str) -> Result<Option<String>, RoomsError> {
        let request = ListRoomsRequest { names: vec![room.to_owned()] };
        let grants = VideoGrants { room_list: true, ..VideoGrants::default() };
        let reply: RoomList = self.ask("RoomService/ListRooms", &request, grants).await?;
        Ok(reply.rooms.into_iter().find(|found| found.name == room).map(|found| found.metadata))
    }

    /// Every room of the project, whosever it is.
    ///
    /// # Errors
    /// LiveKit cannot be reached, or refuses.
    pub async fn list_rooms(&self) -> Result<Vec<Room>, RoomsError> {
        let grants = VideoGrants { room_list: true, ..VideoGrants::default() };
        let reply: RoomList = self.ask("RoomService/ListRooms", &ListRoomsRequest::default(), grants).await?;
        Ok(reply.rooms)
    }

    /// Is there such a room?
    pub async fn room_exists(&self, room: &str) -> Result<bool, RoomsError> {
        Ok(self.room_metadata(room).await?.is_some())
    }

    async fn ask<Reply: prost::Message + Default>(
        &self,
        method: &str,
        request: &impl prost::Message,
        grants: VideoGrants,
    ) -> Result<Reply, RoomsError> {
        let token = self.request_token(grants)?;
        Ok(self.twirp(method, request.encode_to_vec(), &token, None, REQUEST_LIMIT).await?)
    }
}

/// To delete is the same right as to create.
fn may_create() -> VideoGrants {
    VideoGrants { room_create: true, ..VideoGrants::default() }
}

impl From<TwirpError> for RoomsError {
    fn from(error: TwirpError) -> Self {
        match error {
            TwirpError::NotSent(detail) | TwirpError::TooLate(detail) | TwirpError::Lost(detail) => {
                Self::Unreachable { detail }
            }
            TwirpError::Unauthorized => Self::Auth,
            TwirpError::Refused(refusal) if refusal.code == "permission_denied" => Self::Auth,
            TwirpError::Refused(refusal) => Self::Other { code: refusal.code, message: refusal.msg },
        }
    }
}

impl From<TokenError> for RoomsError {
    fn from(error: TokenError) -> Self {
        Self::Other { code: "token".to_owned(), message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use calls::secret::Secret;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request a connection, and gives back what was asked for.
    async fn answers(listener: TcpListener, replies: &[(&str, &str)]) -> Vec<String> {
        let mut asked = Vec::new();
        for (status, body) in replies {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 16 << 10];
            let length = stream.read(&mut request).await.unwrap();
            let line = String::from_utf8_lossy(&request[..length]);
            asked.push(line.split_whitespace().nth(1).unwrap_or_default().to_owned());
            let head =
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            // What is still on its way must not be refused.
            drop(stream.read_to_end(&mut Vec::new()).await);
        }
        asked
    }

    #[tokio::test]
    async fn a_room_that_the_server_has_lost_sight_of_is_written_down_anew_and_deleted() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let livekit =
            Livekit::new(&url, &Secret::new("key"), &Secret::new("a secret of some length")).unwrap();
        let nowhere = ("500 Internal Server Error", r#"{"code":"unknown","msg":"could not find object"}"#);
        let replies = [nowhere, ("200 OK", ""), ("200 OK", "")];
        let deleting = livekit.delete_room("r", Duration::from_secs(10));
        let (deleted, asked) = tokio::join!(deleting, answers(listener, &replies));
        deleted.unwrap();
        let asked: Vec<_> = asked.iter().filter_map(|path| path.rsplit('/').next()).collect();
        assert_eq!(asked, ["DeleteRoom", "CreateRoom", "DeleteRoom"]);
    }
}
