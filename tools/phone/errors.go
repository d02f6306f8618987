package main

import (
	"errors"
	"fmt"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/psrpc"
)

// The errors of a dial, as a real SIP node returns them to livekit-server, which turns them into Twirp errors: the
// code from the gRPC code, the SIP status in the meta from the status that travels as a detail.

var (
	// errGaveUp: the ringing timeout, the room or the participant gone, the identity taken by another. A caller cannot
	// tell them apart, because the real node's answer is one and the same.
	errGaveUp = psrpc.NewErrorf(psrpc.Canceled, "sip request timed out")
	// errNoReply: nothing answered the INVITE until the transaction's Timer B (RFC 3261, 17.1.1.2) fired.
	errNoReply = psrpc.NewErrorf(psrpc.Canceled, "transaction failed to complete (0 intermediate responses)")
	// errAuthRequired: 401 or 407, and the trunk has no credentials.
	errAuthRequired = psrpc.NewErrorf(psrpc.FailedPrecondition,
		"sip server required auth, but no username or password was provided")
)

// rejectedError is the error of a dial that got a final answer other than 200.
func rejectedError(code int, text string) error {
	if code == 401 || code == 407 {
		return errAuthRequired
	}
	status := sipStatus(code, text)
	prefix := "unexpected status from INVITE response"
	switch code {
	case 400, 404, 480, 486, 488:
		prefix = "INVITE failed"
	}
	return psrpc.NewError(psrpc.ErrorCodeFromGRPC(status.GRPCStatus().Code()), fmt.Errorf("%s: %w", prefix, status), status)
}

// transferError is the error of a transfer that the far side refused.
func transferError(code int, text string) error {
	status := sipStatus(code, text)
	return psrpc.NewError(psrpc.ErrorCodeFromGRPC(status.GRPCStatus().Code()),
		fmt.Errorf("call transfer failed: %w", status), status)
}

var errTransferGone = psrpc.NewError(psrpc.NotFound, errors.New("call not found"))

func sipStatus(code int, text string) *livekit.SIPStatus {
	if text == "" {
		text = reasonPhrase(code)
	}
	return &livekit.SIPStatus{Code: livekit.SIPStatusCode(code), Status: text}
}

// leaveReason is what the participant of a rejected dial says when it leaves the room.
func leaveReason(code int) livekit.DisconnectReason {
	switch {
	case code == 404, code == 408, code == 480:
		return livekit.DisconnectReason_USER_UNAVAILABLE
	case code >= 400 && code < 500, code >= 600:
		return livekit.DisconnectReason_USER_REJECTED
	default:
		return livekit.DisconnectReason_UNKNOWN_REASON
	}
}

// reasonPhrase is RFC 3261's (section 21) own wording for the statuses that carriers send most.
func reasonPhrase(code int) string {
	if text, ok := reasonPhrases[code]; ok {
		return text
	}
	return "Rejected"
}

var reasonPhrases = map[int]string{
	400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
	410: "Gone", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 484: "Address Incomplete",
	486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending",
	500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
	504: "Server Time-out", 600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere",
	606: "Not Acceptable",
}
