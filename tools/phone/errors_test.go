package main

import (
	"errors"
	"testing"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/psrpc"
)

func TestRejectionsAreTheRealOnes(t *testing.T) {
	const user, unavailable, unknown = livekit.DisconnectReason_USER_REJECTED,
		livekit.DisconnectReason_USER_UNAVAILABLE, livekit.DisconnectReason_UNKNOWN_REASON
	for _, c := range []struct {
		code   int
		psrpc  psrpc.ErrorCode
		text   string
		detail bool
		leave  livekit.DisconnectReason
	}{
		{400, psrpc.InvalidArgument, "INVITE failed: sip status: 400: Bad Request", true, user},
		{403, psrpc.PermissionDenied, "unexpected status from INVITE response: sip status: 403: Forbidden", true, user},
		{404, psrpc.NotFound, "INVITE failed: sip status: 404: Not Found", true, unavailable},
		{407, psrpc.FailedPrecondition, "sip server required auth, but no username or password was provided", false, user},
		{408, psrpc.DeadlineExceeded, "unexpected status from INVITE response: sip status: 408: Request Timeout", true, unavailable},
		{480, psrpc.ResourceExhausted, "INVITE failed: sip status: 480: Temporarily Unavailable", true, unavailable},
		{486, psrpc.ResourceExhausted, "INVITE failed: sip status: 486: Busy Here", true, user},
		{488, psrpc.InvalidArgument, "INVITE failed: sip status: 488: Not Acceptable Here", true, user},
		{500, psrpc.FailedPrecondition, "unexpected status from INVITE response: sip status: 500: Server Internal Error", true, unknown},
		{503, psrpc.FailedPrecondition, "unexpected status from INVITE response: sip status: 503: Service Unavailable", true, unknown},
		{603, psrpc.PermissionDenied, "unexpected status from INVITE response: sip status: 603: Decline", true, user},
		{604, psrpc.NotFound, "unexpected status from INVITE response: sip status: 604: Does Not Exist Anywhere", true, user},
	} {
		var err psrpc.Error
		if !errors.As(rejectedError(c.code, ""), &err) {
			t.Fatalf("%d: no psrpc error", c.code)
		}
		if err.Code() != c.psrpc || err.Error() != c.text || (len(err.Details()) == 1) != c.detail {
			t.Errorf("%d: %s %q with %d details, want %s %q", c.code, err.Code(), err, len(err.Details()), c.psrpc, c.text)
		}
		if got := leaveReason(c.code); got != c.leave {
			t.Errorf("%d: leaves with %s, want %s", c.code, got, c.leave)
		}
	}
}

func TestNumbersAreMaskedInLogs(t *testing.T) {
	for number, want := range map[string]string{"+5511999998888": "+5511•••••8888", "+12": "•••••"} {
		if got := masked(number); got != want {
			t.Errorf("%s: %s, want %s", number, got, want)
		}
	}
}
