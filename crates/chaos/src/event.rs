//! Everything that can be due on the clock.

use calls::call;
use calls::ids::{AttemptId, CallKey};
use calls::{routing, settle};

use crate::ask::Ask;
use crate::clock::Ms;
use crate::ecs::TaskNumber;
use crate::livekit::{Dialed, LegNumber, LegStep};
use crate::paces::Limits;
use crate::places::{Errand, PlaceFile};
use crate::queue::QueueName;
use crate::store::{Document, Owner};
use crate::task::Request;
use crate::world::Pid;

/// Something that happens at its time.
#[derive(Debug)]
pub enum Event {
    /// Upstream sends.
    Upstream,
    /// A person looks at the dead letters.
    Operator,
    /// A person wants this call to end.
    HangUp(CallKey),
    /// The next step of a hang-up.
    HangupGoesOn(Pid),
    /// A service may go away for a while.
    Weather,
    /// The sweep runs.
    Sweep,
    /// The next step of a sweep.
    SweepGoesOn(Pid),
    /// A queue hands a message out, unless something has become of it since.
    Deliver { queue: QueueName, place: u64, version: u64 },
    /// A write of somebody who has given it up gets through.
    LandsLate { id: AttemptId, document: Document, owner: Owner },
    /// A process is gone, in the midst of anything.
    Dies(Pid),
    /// A task is told to stop.
    Drains(Pid),
    /// A router's request arrives where it goes.
    RouterAsks { pid: Pid, ask: Box<Ask<routing::Effect>> },
    /// Its answer arrives.
    RouterHears { pid: Pid, input: Box<routing::Input> },
    /// A router's turn among the calls to a country has come.
    TurnComes { pid: Pid, instance: u8, id: AttemptId, limits: Box<Limits> },
    /// A request about places arrives at the store.
    AtPlaces(Box<Errand>),
    /// The place of somebody who has given its put up gets through.
    PlaceLandsLate(PlaceFile),
    /// A place is deleted, long after that was asked for.
    PlaceGoesLate(PlaceFile),
    /// The mark of an attempt is.
    MarkGoesLate(AttemptId),
    /// A settler's request arrives where it goes.
    SettlerAsks { pid: Pid, ask: Box<Ask<settle::Effect>> },
    /// Its answer arrives.
    SettlerHears { pid: Pid, input: Box<settle::Input> },
    /// ECS has a machine for a task, or has none.
    TaskStarts(TaskNumber),
    /// A task reads its job.
    TaskReads { task: TaskNumber, until: Ms },
    /// ECS says that a task stopped.
    TaskStopped { task: TaskNumber, why: &'static str },
    /// A call's request arrives where it goes.
    CallAsks { pid: Pid, request: Box<Request> },
    /// A task's dial request arrives at LiveKit.
    DialArrives { pid: Pid, dialed: Box<Dialed> },
    /// News arrives at a call.
    CallHears { pid: Pid, input: Box<call::Input> },
    /// A call wants to be woken.
    CallWakes { pid: Pid, at: Ms },
    /// A phone's leg goes on.
    Leg { leg: LegNumber, step: LegStep },
    /// A bridge that has lost its server looks for its room.
    BridgeReturns { pid: Pid, until: Ms },
    /// A room closes if nobody is in it any more.
    RoomCloses { name: String, since: Ms },
    /// The vendor ends an agent's call that nobody joined, or whose bridge is gone.
    AgentCallEnds { id: String, only_unjoined: bool },
}
