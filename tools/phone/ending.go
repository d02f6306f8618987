package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/psrpc"
)

// Who ended a call, as the control API says it.
const (
	endedByCallee       = "callee"
	endedByRoom         = "room"
	endedByMaxDuration  = "max-duration"
	endedByRingTimeout  = "ring-timeout"
	endedByCanceled     = "canceled" // the request for the call was given up
	endedByNoReply      = "no-response"
	endedByMediaTimeout = "media-timeout"
	endedByTransfer     = "transfer"
	endedByRPC          = "rpc"
	endedByShutdown     = "shutdown"
	endedByFault        = "fault"
)

// An ending is why a leg is over. It travels as the cause of the leg's context, so the first one stands.
type ending struct {
	by     string
	hangup bool                     // once answered, sip.callStatus becomes hangup
	reason livekit.DisconnectReason // what the participant says when it leaves
	dial   error                    // what the API's caller gets, if the call was not answered
	detail string
}

func (e *ending) Error() string { return "call ended: " + e.by }

var (
	hungUpByCallee = &ending{by: endedByCallee, hangup: true, reason: livekit.DisconnectReason_CLIENT_INITIATED,
		dial: rejectedError(603, "")}
	hungUpByRPC = &ending{by: endedByRPC, hangup: true, reason: livekit.DisconnectReason_CLIENT_INITIATED, dial: errGaveUp}
	roomGone    = &ending{by: endedByRoom, dial: errGaveUp}
	tooLong     = &ending{by: endedByMaxDuration, hangup: true, reason: livekit.DisconnectReason_USER_UNAVAILABLE,
		dial: errGaveUp}
	rangOut     = &ending{by: endedByRingTimeout, reason: livekit.DisconnectReason_USER_UNAVAILABLE, dial: errGaveUp}
	dialGivenUp = &ending{by: endedByCanceled, reason: livekit.DisconnectReason_USER_UNAVAILABLE,
		dial: psrpc.ErrRequestTimedOut}
	noReply      = &ending{by: endedByNoReply, reason: livekit.DisconnectReason_USER_UNAVAILABLE, dial: errNoReply}
	mediaTimeout = &ending{by: endedByMediaTimeout, reason: livekit.DisconnectReason_UNKNOWN_REASON}
	transferred  = &ending{by: endedByTransfer, hangup: true, reason: livekit.DisconnectReason_CLIENT_INITIATED}
	shutdown     = &ending{by: endedByShutdown, reason: livekit.DisconnectReason_CLIENT_INITIATED, dial: errGaveUp}
)

func rejectedBy(reject *Reject) *ending {
	return &ending{by: endedByCallee, reason: leaveReason(reject.Code), dial: rejectedError(reject.Code, reject.Text),
		detail: fmt.Sprintf("%d %s", reject.Code, sipStatus(reject.Code, reject.Text).Status)}
}

func faulty(err error) *ending {
	return &ending{by: endedByFault, reason: livekit.DisconnectReason_UNKNOWN_REASON,
		dial: psrpc.NewError(psrpc.Internal, err), detail: err.Error()}
}

// endingOf is why ctx is over.
func endingOf(ctx context.Context) *ending {
	var e *ending
	if errors.As(context.Cause(ctx), &e) {
		return e
	}
	return dialGivenUp
}
